use super::*;

#[test]
fn names_are_unique_and_fit_into_a_table() {
    let mut names: Vec<_> = Feature::ALL.iter().map(|feature| feature.name()).collect();
    assert!(
        names
            .iter()
            .all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
    );
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Feature::ALL.len());
}

#[test]
fn each_says_what_its_lack_means() {
    for feature in Feature::ALL {
        assert!(!feature.purpose().is_empty(), "{feature:?}");
        match feature.need() {
            Need::Required => assert!(feature.without().is_empty() && !feature.cost().is_empty()),
            Need::Used => assert!(!feature.without().is_empty() && !feature.cost().is_empty()),
            Need::Unused => assert!(feature.without().is_empty() && feature.cost().is_empty()),
        }
    }
}

#[test]
fn what_programs_need_is_required() {
    for feature in Feature::ALL.into_iter().filter(|feature| feature.is_of_programs()) {
        assert_eq!(feature.need(), Need::Required, "{feature:?}");
    }
}

#[test]
fn only_the_lack_of_what_is_required_is_fatal() {
    let finding = |feature, presence| Finding { feature, presence };
    let absent = || Presence::Absent("none".to_owned());
    assert!(finding(Feature::RingBuffer, absent()).is_fatal());
    assert!(!finding(Feature::RingBuffer, Presence::Unknown("EPERM".to_owned())).is_fatal());
    assert!(!finding(Feature::RingBuffer, Presence::Present(None)).is_fatal());
    assert!(!finding(Feature::Tcx, absent()).is_fatal());
    assert!(!finding(Feature::Xdp, absent()).is_fatal());
}

#[test]
fn the_first_thing_that_is_missing_is_named_in_one_line() {
    let find = |feature| match feature {
        Feature::SetRetval | Feature::RingBuffer => Presence::Absent("the kernel refuses it".to_owned()),
        Feature::KernelRead => Presence::Unknown("Cannot allocate memory".to_owned()),
        _ => Presence::Present(None),
    };
    let error = all_there(Feature::ALL, find).unwrap_err();
    assert!(error.is_unsupported());
    let text = error.to_string();
    assert!(text.starts_with("berth cannot run on this kernel, which lacks set-retval: "), "{text}");
    assert!(!text.contains('\n') && text.contains("berth doctor"), "{text}");
    all_there([Feature::KernelRead, Feature::Btf], find).unwrap();
}

#[test]
fn a_kernel_for_real_time_is_known_by_its_version() {
    let of = |version: &str| is_preemptible(Ok(version.to_owned()));
    assert!(!of("#1 SMP PREEMPT_DYNAMIC Debian 6.12.9-1 (2025-01-10)\n"));
    assert!(of("#1 SMP PREEMPT_RT Debian 6.12.9-1 (2025-01-10)\n"));
    assert!(is_preemptible(Err(std::io::Error::other("no proc"))));
}
