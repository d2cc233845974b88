//! A value that may stand behind `!`.

/// What is asked for, or with `!` its opposite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition<T> {
    /// Whether everything but the value is meant.
    pub negated: bool,
    /// The value.
    pub value: T,
}

impl<T> Condition<T> {
    /// `value` itself.
    pub const fn is(value: T) -> Self {
        Self { negated: false, value }
    }

    /// Everything but `value`.
    pub const fn is_not(value: T) -> Self {
        Self { negated: true, value }
    }
}
