//! Whether berth can work here, and what of it does.
//!
//! Each section of the report has a file here, which puts what [`crate::control`] and [`crate::containers`] tell into
//! words. No daemon is asked, and nothing is changed by looking, but that the rules of others are remembered, so that the next look can
//! tell what has become of them.

mod features;
mod foreign;
mod in_force;
mod nat;

use std::{fs, path::PathBuf};

use berth_common::abi;

use crate::{
    api::doctor::{Need, Report},
    containers::{ContainersError, Host},
    control::{Kernel, Object, survey},
    node::{NodeError, Paths},
};

/// Looks at everything. Fails if our privileges are not enough to see anything.
pub fn examine(paths: &Paths) -> Result<Report, NodeError> {
    let mut obstacles = Vec::new();
    match Host::check() {
        // What is wrong with cgroups shows among the features.
        Ok(_) | Err(ContainersError::NoCgroup2 | ContainersError::CgroupNamespace { .. }) => {}
        Err(error @ ContainersError::OldKernel { .. }) => obstacles.push(error.to_string()),
        Err(error) => return Err(error.into()),
    }
    if Object::embedded().is_empty() {
        obstacles.push("this berth was built without its eBPF object".to_owned());
    }
    let findings = survey(&paths.pin_dir);
    obstacles.extend(features::obstacles(&findings));
    let in_force = match Kernel::in_force(&paths.pin_dir) {
        Ok(found) => found.map(|found| in_force::section(&found, &findings, paths)),
        Err(error) => {
            obstacles.push(error.to_string());
            None
        }
    };
    Ok(Report {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        abi: abi::VERSION,
        kernel: release()?,
        able: obstacles.is_empty(),
        obstacles,
        features: findings.iter().map(features::row).collect(),
        in_force,
    })
}

/// The report in one line: what berth does without here, or, if it cannot run, why.
pub fn verdict(report: &Report) -> Result<String, String> {
    if !report.able {
        return Err(format!("berth cannot run here: {}", report.obstacles.join("; ")));
    }
    let missing = report.features.iter().filter(|row| row.need == Need::Used && row.present != Some(true));
    let missing: Vec<_> = missing.map(|row| row.name.as_str()).collect();
    Ok(if missing.is_empty() {
        "berth can run here, with all that it uses".to_owned()
    } else {
        format!("berth can run here, without {}", missing.join(", "))
    })
}

fn release() -> Result<String, NodeError> {
    let path = PathBuf::from("/proc/sys/kernel/osrelease");
    match fs::read_to_string(&path) {
        Ok(release) => Ok(release.trim_end().to_owned()),
        Err(error) => Err(NodeError::Sysctl { path, error }),
    }
}

#[cfg(test)]
mod tests;
