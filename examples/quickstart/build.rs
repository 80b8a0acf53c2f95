//! The agent's binary: an example does not build it, so it is built here.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use super::support::trouble::{Outcome, Trouble};

/// Builds it with the cargo that runs us, into the same folder, with its progress shown.
pub(crate) fn agent() -> Outcome<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = target_folder()?;
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--bin", "monitoring-agent", "--target-dir"]).arg(&target);
    build.arg("--manifest-path").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let status = build.status().map_err(|cause| {
        Trouble::new(format!("cargo cannot be started: {cause}"), "put cargo into PATH")
    })?;
    if !status.success() {
        return Err(Trouble::new(
            format!("cargo build ended with {status}"),
            "correct what it complains about above; Rust 1.89 or later and a C compiler are needed",
        ));
    }
    let binary = target.join("release/monitoring-agent");
    if binary.is_file() {
        return Ok(binary);
    }
    Err(Trouble::new(
        format!("cargo built something, but there is no {}", binary.display()),
        "unset CARGO_BUILD_TARGET and build.target: they move the binary elsewhere",
    ))
}

/// `TARGET/PROFILE/examples/quickstart` is where we are.
fn target_folder() -> Outcome<PathBuf> {
    let own = env::current_exe()?;
    own.ancestors().nth(3).map(Path::to_owned).ok_or_else(|| {
        Trouble::new(
            format!("{} is not in a folder of cargo's", own.display()),
            "start it with cargo run --release --example quickstart",
        )
    })
}
