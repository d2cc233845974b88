//! Which toolchain is to build the eBPF object, decided from facts alone.

/// The two ways to a compiler that can build core for BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Debian's packages.
    Debian,
    /// rustup's nightly of a fixed date.
    Nightly,
}

/// How much of one way is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub compiler: bool,
    /// A bpf-linker that understands this compiler's bitcode.
    pub linker: bool,
    /// What is missing of either can be put there by us.
    pub can_complete: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Ready(Way),
    /// Ways to complete, the better one first.
    Complete(&'static [Way]),
    Impossible,
}

/// What is complete wins over what would have to be installed; among equals Debian's packages do:
/// they get security updates and work where only a package mirror can be reached.
pub fn choose(debian: State, nightly: State) -> Choice {
    let ready = |state: State| state.compiler && state.linker;
    if ready(debian) {
        return Choice::Ready(Way::Debian);
    }
    if ready(nightly) {
        return Choice::Ready(Way::Nightly);
    }
    match (debian.can_complete, nightly.can_complete) {
        (true, true) => Choice::Complete(&[Way::Debian, Way::Nightly]),
        (true, false) => Choice::Complete(&[Way::Debian]),
        (false, true) => Choice::Complete(&[Way::Nightly]),
        (false, false) => Choice::Impossible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: State = State { compiler: false, linker: false, can_complete: false };
    const READY: State = State { compiler: true, linker: true, can_complete: true };
    const COMPLETABLE: State = State { can_complete: true, ..NOTHING };

    #[test]
    fn what_is_complete_is_taken_debian_s_first() {
        assert_eq!(choose(READY, READY), Choice::Ready(Way::Debian));
        assert_eq!(choose(COMPLETABLE, READY), Choice::Ready(Way::Nightly));
        assert_eq!(choose(READY, COMPLETABLE), Choice::Ready(Way::Debian));
    }

    #[test]
    fn a_compiler_without_a_linker_is_not_complete() {
        let no_linker = State { linker: false, ..READY };
        assert_eq!(choose(no_linker, NOTHING), Choice::Complete(&[Way::Debian]));
        assert_eq!(choose(no_linker, READY), Choice::Ready(Way::Nightly));
    }

    #[test]
    fn what_can_be_completed_is_tried_in_order() {
        assert_eq!(choose(COMPLETABLE, COMPLETABLE), Choice::Complete(&[Way::Debian, Way::Nightly]));
        assert_eq!(choose(NOTHING, COMPLETABLE), Choice::Complete(&[Way::Nightly]));
        assert_eq!(choose(NOTHING, NOTHING), Choice::Impossible);
    }
}
