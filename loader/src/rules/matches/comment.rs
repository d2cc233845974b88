//! `-m comment`.

use crate::rules::{
    extension::Extension,
    family::Family,
    feature::Feature,
    option::{Opt, Written},
    problem::Problem,
    values::text::text,
    words::quoted,
};

/// The longest remark in bytes: `XT_MAX_COMMENT_LEN` less the final zero (include/uapi/linux/netfilter/xt_comment.h).
pub const MAX_COMMENT: usize = 255;

/// A remark, which agrees with every packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// `--comment`: at most 255 bytes, without control characters.
    pub text: String,
}

impl Extension for Comment {
    type Draft = Option<String>;
    const NAME: &'static str = "comment";
    const FEATURE: Feature = Feature::Comment;
    const OPTIONS: &'static [Opt<Self>] = &[Opt::<Self>::one(
        "--comment",
        |draft, given| given.fill(draft, text(given.first, "a comment", MAX_COMMENT)?),
        |comment| Written::option(Some(quoted(&comment.text))),
    )];

    fn finish(draft: Option<String>, _: Family) -> Result<Self, Problem> {
        draft.map(|text| Self { text }).ok_or(Problem::Required { option: "--comment" })
    }
}
