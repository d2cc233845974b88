//! What the kernel has and lacks.

use crate::{
    api::doctor::{Feature, Need},
    control::{self, Finding, Presence},
};

/// What was found of one feature, with what it means.
pub fn row(finding: &Finding) -> Feature {
    let feature = finding.feature;
    let (present, found) = match &finding.presence {
        Presence::Present(found) => (Some(true), found.clone()),
        Presence::Absent(why) => (Some(false), Some(why.clone())),
        Presence::Unknown(why) => (None, Some(format!("it could not be tried ({why})"))),
    };
    Feature {
        name: feature.name().to_owned(),
        present,
        found,
        need: match feature.need() {
            control::Need::Required => Need::Required,
            control::Need::Used => Need::Used,
            control::Need::Unused => Need::Unused,
        },
        purpose: feature.purpose().to_owned(),
        without: text(feature.without()),
        cost: text(feature.cost()),
    }
}

/// What berth cannot run without and has not got, each with what showed that.
pub fn obstacles(findings: &[Finding]) -> impl Iterator<Item = String> {
    findings.iter().filter(|finding| finding.is_fatal()).map(|finding| {
        let name = finding.feature.name();
        match &finding.presence {
            Presence::Absent(why) | Presence::Unknown(why) => format!("this kernel lacks {name} ({why})"),
            Presence::Present(_) => name.to_owned(),
        }
    })
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
