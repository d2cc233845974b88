//! Embeds the eBPF object that `cargo xtask build` leaves in the target directory. Without it the crate builds all the
//! same, and says so when it is to load programs.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;

fn main() {
    for variable in ["BERTH_OBJECT", "CARGO_TARGET_DIR"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let object = object();
    println!("cargo::rerun-if-changed={}", object.display());

    let bytes = match fs::read(&object) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read.unwrap_or_else(|error| panic!("cannot read {}: {error}", object.display())),
    };
    let copy = PathBuf::from(cargo_variable("OUT_DIR")).join("berth.bpf.o");
    fs::write(&copy, bytes).unwrap_or_else(|error| panic!("cannot write {}: {error}", copy.display()));
}

fn object() -> PathBuf {
    if let Some(object) = env::var_os("BERTH_OBJECT") {
        return PathBuf::from(object);
    }
    let workspace = PathBuf::from(cargo_variable("CARGO_MANIFEST_DIR")).join("..");
    let target = match env::var_os("CARGO_TARGET_DIR") {
        // Relative to where cargo was called, which is not told; the root of the workspace is what it mostly is.
        Some(directory) => workspace.join(directory),
        None => workspace.join("target"),
    };
    target.join("bpf").join("berth.bpf.o")
}

fn cargo_variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo does not set {name}"))
}
