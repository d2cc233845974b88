//! What `berth doctor` finds, for people.

use crate::{
    api::{
        doctor::{Feature, Foreign, ForeignProgram, ForeignRule, InForce, Interface, Method, Need, Report},
        error::ApiError,
    },
    cli::output::Output,
    doctor::verdict,
};

/// Prints the report.
pub fn doctor(report: &Report, json: bool, output: &Output) -> Result<(), ApiError> {
    if json {
        return output.json(report);
    }
    output.line(&format!("berth {} (ABI {}) on Linux {}", report.version, report.abi, report.kernel))?;
    output.line("")?;
    let columns = ["FEATURE", "PRESENT", "NEED", "PURPOSE", "FOUND"];
    output.table(&columns, report.features.iter().map(row).collect())?;
    let lacking: Vec<_> = report.features.iter().filter(|feature| matters(feature)).collect();
    if !lacking.is_empty() {
        output.line("")?;
        let columns = ["LACKING", "WITHOUT IT", "WHICH COSTS"];
        output.table(&columns, lacking.iter().map(|feature| lack(feature)).collect())?;
    }
    output.line("")?;
    match &report.in_force {
        Some(found) => in_force(found, output)?,
        None => output.line("nothing of berth is in force")?,
    }
    match verdict(report) {
        Ok(verdict) => {
            output.line("")?;
            output.line(&verdict)
        }
        // The command fails with it.
        Err(_) => Ok(()),
    }
}

fn row(feature: &Feature) -> Vec<String> {
    let present = match feature.present {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let need = match feature.need {
        Need::Required => "required",
        Need::Used => "used",
        Need::Unused => "unused",
    };
    let found = feature.found.clone().unwrap_or_default();
    vec![feature.name.clone(), present.to_owned(), need.to_owned(), feature.purpose.clone(), found]
}

fn matters(feature: &Feature) -> bool {
    feature.present != Some(true) && feature.need != Need::Unused
}

fn lack(feature: &Feature) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    vec![feature.name.clone(), text(&feature.without), text(&feature.cost)]
}

fn in_force(found: &InForce, output: &Output) -> Result<(), ApiError> {
    output.line(&format!(
        "in force at {} (ABI {}): programs of {}, {}, {} BPF LSM, on {} cgroups",
        found.pin_dir,
        found.abi,
        if found.own_programs { "this berth" } else { "another build" },
        if found.compiled { "compiled" } else { "interpreted" },
        if found.bpf_lsm { "with" } else { "without" },
        found.cgroups
    ))?;
    output.line("")?;
    output.table(&["INTERFACE", "BY", "PROGRAMS"], found.interfaces.iter().map(interface).collect())?;
    if !found.degraded.is_empty() {
        output.line("")?;
    }
    found.degraded.iter().try_for_each(|line| output.line(&format!("degraded: {line}")))?;
    found.foreign.as_ref().map_or(Ok(()), |others| foreign(others, output))
}

fn foreign(others: &Foreign, output: &Output) -> Result<(), ApiError> {
    if !others.programs.is_empty() {
        output.line("")?;
        let row = |one: &ForeignProgram| vec![one.interface.clone(), one.hook.clone(), one.program.clone()];
        output
            .table(&["INTERFACE", "HOOK", "PROGRAM OF OTHERS"], others.programs.iter().map(row).collect())?;
    }
    if !others.rules.is_empty() {
        output.line("")?;
        let row = |one: &ForeignRule| {
            vec![one.table.clone(), one.chain.clone(), one.rule.clone(), one.concerns.join(" ")]
        };
        let columns = ["TABLE", "CHAIN", "RULE OF OTHERS THAT DROPS", "MAY CONCERN"];
        output.table(&columns, others.rules.iter().map(row).collect())?;
    }
    if let Some(since) = &others.since {
        let changes = others.appeared.iter().map(|rule| ("new", rule));
        let changes = changes.chain(others.gone.iter().map(|rule| ("gone", rule)));
        for (what, rule) in changes {
            output.line(&format!("{what} since {since}: {rule}"))?;
        }
    }
    others.unseen.iter().try_for_each(|line| output.line(&format!("not seen: {line}")))
}

fn interface(interface: &Interface) -> Vec<String> {
    let method = match interface.method {
        Method::Tcx => "tcx",
        Method::Clsact => "clsact",
    };
    vec![interface.name.clone(), method.to_owned(), interface.programs.join(" ")]
}
