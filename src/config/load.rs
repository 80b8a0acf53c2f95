//! The whole way from a path to a [`Config`].

use std::{fs, path::Path};

use super::{
    Config, Problem, Problems,
    interpret::{Surroundings, interpret},
    private_file::{self, PrivateFileError},
    reader,
};

/// What a good file gives.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is configured.
    pub config: Config,
    /// What deserves a look, in the order of the lines.
    pub warnings: Vec<Problem>,
}

/// Reads a configuration file and the secret files it names, and nothing else but the name of
/// this machine. Relative paths in the file are relative to its folder.
///
/// # Errors
/// Everything that forbids to start, with what deserves a look besides.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let refused = |what: String| {
        let mut problems = Problems::new(path);
        problems.file_error("", what);
        problems
    };
    let bytes = private_file::read_config(path).map_err(|error| refused(error.to_string()))?;
    let machine = machine_name();
    let surroundings = Surroundings { read_secret: &private_file::read_secret, machine: &machine };
    understand(&bytes, path, &surroundings)
}

/// Reads a configuration from memory, for tests and fuzzing: nothing outside of `bytes` is looked
/// at. A secret in a file of its own is refused, and the machine is called `localhost`.
///
/// # Errors
/// Like [`load`].
pub fn parse(bytes: &[u8], file: &Path) -> Result<Loaded, Problems> {
    let read_secret = |_: &Path| Err(PrivateFileError::Empty);
    understand(bytes, file, &Surroundings { read_secret: &read_secret, machine: "localhost" })
}

fn understand(
    bytes: &[u8],
    file: &Path,
    surroundings: &Surroundings<'_>,
) -> Result<Loaded, Problems> {
    let mut problems = Problems::new(file);
    let config = reader::read(bytes, &mut problems)
        .and_then(|document| interpret(file, &document, surroundings, &mut problems));
    match (config, problems.finish()) {
        (Some(config), Ok(warnings)) => Ok(Loaded { config, warnings }),
        (_, Err(problems)) => Err(problems),
        (None, Ok(_)) => Err(unexplained(file)),
    }
}

/// No step gives up without a word; if one ever does, the agent still does not start.
fn unexplained(file: &Path) -> Problems {
    let mut problems = Problems::new(file);
    problems.file_error("", "the file cannot be used, please report this");
    problems
}

/// The value of the label `agent` on what is sent to the management server.
fn machine_name() -> String {
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes, Path::new("f"));
        }

        #[test]
        fn no_lines_make_the_parser_panic_or_show_a_password(
            lines in prop::collection::vec(line(), 0..12),
        ) {
            let shown = match parse(lines.join("\n").as_bytes(), Path::new("f")) {
                Ok(loaded) => format!("{loaded:?}"),
                Err(problems) => format!("{problems}{problems:?}"),
            };
            prop_assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    /// Lines that look like a configuration, with a password wherever one can stand.
    fn line() -> impl Strategy<Value = String> {
        let value = prop::sample::select(vec![
            "",
            "a",
            "a:1",
            "::1",
            "[::1]:2, b",
            "true",
            "prefer",
            "7",
            "https://o.example",
            "https://u:hunter2@o.example",
            "mongodb://u:hunter2@a",
            "mongodb://u:x,b:hunter2,c@a",
            "mongodb://u:hunter2@a,b/c?tls=true&tlsCAFile=d&authMechanism=MONGODB-X509",
            "mongodb://u:1/hunter2@a",
            "mongodb://a/?tlsCertificateKeyFile=d&tlsCertificateKeyFilePassword=hunter2",
            "MONGODB-X509",
            "$external",
            "u:hunter2@a",
            "a b]",
        ]);
        let secret = prop::sample::select(vec![
            "hunter2",
            "hunter2 # c",
            "\"hunter2\"",
            "hunter2\u{7}",
            "a@hunter2",
        ]);
        prop_oneof![
            (key(), value).prop_map(|(key, value)| format!("{key} = {value}")),
            prop::sample::select(vec!["a", "b", "a]", ""])
                .prop_map(|name| format!("[host {name}]")),
            secret.clone().prop_map(|secret| format!("password = {secret}")),
            secret.clone().prop_map(|secret| format!("mmsApiKey={secret}")),
            secret.clone().prop_map(|secret| format!("sslClientCertificatePassword={secret}")),
            secret.clone().prop_map(|secret| format!("globalAuthPasswrod={secret}")),
            secret.prop_map(|secret| format!("password: {secret}")),
        ]
    }

    fn key() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "hosts",
            "address",
            "ssl",
            "username",
            "password",
            "passwordFile",
            "authSource",
            "authMechanism",
            "scramWithoutTls",
            "sslClientCertificate",
            "sslClientCertificatePassword",
            "sslTrustedServerCrls",
            "globalAuthUsername",
            "globalAuthPassword",
            "globalAuthPasswrod",
            "mmsBaseUrl",
            "mmsGroupId",
            "mmsApiKey",
            "httpProxy",
            "uri",
            "pollIntervalSecs",
            "logLevel",
            "[host",
        ])
    }
}
