use super::*;
use crate::{
    api::doctor::Feature as Row,
    control::{Feature, Finding, Presence},
};

fn report(absent: &[Feature]) -> Report {
    let finding = |feature| {
        let is_absent = absent.contains(&feature);
        let presence = if is_absent { Presence::Absent("none".to_owned()) } else { Presence::Present(None) };
        Finding { feature, presence }
    };
    let findings = Feature::ALL.map(finding);
    let obstacles: Vec<_> = features::obstacles(&findings).collect();
    Report {
        version: String::new(),
        abi: 1,
        kernel: "6.1.0".to_owned(),
        able: obstacles.is_empty(),
        obstacles,
        features: findings.iter().map(features::row).collect(),
        in_force: None,
    }
}

#[test]
fn a_kernel_with_everything_is_fit() {
    assert_eq!(verdict(&report(&[])).unwrap(), "berth can run here, with all that it uses");
}

#[test]
fn what_berth_does_without_is_named_and_what_it_does_not_use_is_not() {
    let verdict = verdict(&report(&[Feature::Tcx, Feature::Xdp, Feature::BpfLsm])).unwrap();
    assert_eq!(verdict, "berth can run here, without tcx, bpf-lsm");
}

#[test]
fn what_it_cannot_do_without_is_named_with_the_reason() {
    let verdict = verdict(&report(&[Feature::RingBuffer, Feature::Tcx])).unwrap_err();
    assert_eq!(verdict, "berth cannot run here: this kernel lacks ring-buffer (none)");
}

#[test]
fn rows_have_a_shape_that_programs_can_rely_on() {
    let report = report(&[Feature::Tcx]);
    let row = |name: &str| report.features.iter().find(|row| row.name == name).unwrap();
    let expected: Row = serde_json::from_value(serde_json::json!({
        "name": "tcx",
        "present": false,
        "found": "none",
        "need": "used",
        "purpose": "keeps programs on interfaces",
        "without": "filters of a clsact qdisc",
        "cost": "others can remove them, or put theirs first",
    }))
    .unwrap();
    assert_eq!(*row("tcx"), expected);
    assert_eq!((row("btf").present, row("btf").without.as_deref()), (Some(true), None));
}

#[test]
fn what_could_not_be_tried_is_neither_there_nor_missing() {
    let presence = Presence::Unknown("Out of memory".to_owned());
    let row = features::row(&Finding { feature: Feature::RingBuffer, presence });
    assert_eq!(row.present, None);
    assert!(row.found.is_some_and(|found| found.contains("Out of memory")));
}
