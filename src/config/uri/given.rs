//! The options of one connection string, each known, and in no conflict with another.

use std::{
    collections::{BTreeMap, HashSet, btree_map},
    path::PathBuf,
    time::Duration,
};

use super::{
    super::{
        Problems,
        login::AuthMechanism,
        nearest::nearest,
        reader::shown_key,
        said::{Origin, Said},
    },
    options::{self, CONFLICTS, Subject, UriOption},
    syntax::{Pair, UriError},
    value::{self, Reading, Value},
};
use crate::secret::Secret;

/// What each subject was given.
pub(super) struct Given {
    line: usize,
    values: BTreeMap<Subject, Said<Value>>,
}

impl Given {
    /// Reads all options and reports what is wrong with them. `late_at` says that a name can be a
    /// piece of a password, so that none is shown that is not known.
    pub(super) fn read(
        line: usize,
        pairs: &[Pair],
        late_at: bool,
        problems: &mut Problems,
    ) -> Self {
        let mut given = Self { line, values: BTreeMap::new() };
        let mut unknown = HashSet::new();
        for pair in pairs {
            match options::find(&pair.name) {
                Some(option) => given.take(option, &pair.value, problems),
                None if late_at => {
                    problems.error(line, "uri", UriError::UserInformation.to_string());
                    return given;
                }
                None if unknown.insert(pair.name.to_lowercase()) => {
                    refuse_or_warn(line, &pair.name, problems);
                }
                None => {}
            }
        }
        given.check_conflicts(problems);
        given.check_pair_of_files(problems);
        given.warn_of_promises(problems);
        given
    }

    fn take(&mut self, option: &'static UriOption, text: &Secret, problems: &mut Problems) {
        let by = Origin::uri(self.line, option.name);
        match value::read(option, text) {
            Reading::Plain(value) => self.keep(option, Said { value, by }, problems),
            Reading::Odd(value, what) => {
                by.warn(what, problems);
                self.keep(option, Said { value, by }, problems);
            }
            Reading::LeftOut(what) => by.warn(what, problems),
            Reading::Refused(what) => by.error(what, problems),
        }
    }

    fn keep(&mut self, option: &UriOption, said: Said<Value>, problems: &mut Problems) {
        let first = match self.values.entry(option.subject) {
            btree_map::Entry::Vacant(place) => {
                place.insert(said);
                return;
            }
            btree_map::Entry::Occupied(first) => first.into_mut(),
        };
        match first.by.part() {
            _ if first.value == said.value && option.subject == Subject::Tls => {}
            Some(name) if first.value == said.value => {
                said.by.warn(format!("repeats {name}, keep one of them"), problems);
            }
            Some(name) if name == option.name => {
                said.by.error("stands there twice with different values, keep one", problems);
            }
            name => {
                let what = format!("contradicts {}, keep one of them", name.unwrap_or_default());
                said.by.error(what, problems);
            }
        }
    }

    fn check_conflicts(&self, problems: &mut Problems) {
        for (one, other) in CONFLICTS {
            if let (Some(one), Some(other)) = (self.values.get(one), self.values.get(other)) {
                let other = other.by.part().unwrap_or_default();
                one.by.error(format!("must not stand beside {other}, keep one of them"), problems);
            }
        }
        if let (Some(off), Some(file)) =
            (self.true_flag(Subject::DisableRevocation), self.values.get(&Subject::CrlFile))
        {
            let file = file.by.part().unwrap_or_default();
            off.error(format!("contradicts {file}, keep one of them"), problems);
        }
    }

    /// A certificate and its key in two files are named together.
    fn check_pair_of_files(&self, problems: &mut Problems) {
        let certificate = self.values.get(&Subject::CertificateFile);
        let key = self.values.get(&Subject::PrivateKeyFile);
        // A conflict was reported already.
        if self.values.contains_key(&Subject::CertificateKeyFile) {
            return;
        }
        match (certificate, key) {
            (Some(certificate), None) if certificate.by.part() != Some(WITH_OR_WITHOUT_KEY) => {
                let what = "its key is missing, name it in tlsPrivateKeyFile, or a file with both \
                            in tlsCertificateKeyFile";
                certificate.by.error(what, problems);
            }
            (None, Some(key)) => {
                let what = "its certificate is missing, name it in tlsCertificateFile, or a file \
                            with both in tlsCertificateKeyFile";
                key.by.error(what, problems);
            }
            _ => {}
        }
    }

    /// What an option asks for and does not get is said, never left to be found out.
    fn warn_of_promises(&self, problems: &mut Problems) {
        for (subject, what) in [
            (
                Subject::ReplicaSet,
                "without effect, the hosts of the URI are watched: other members are not looked \
                 for, and the name is not compared",
            ),
            (Subject::Compressors, "without effect, the agent does not negotiate compression"),
            (Subject::AppName, "without effect, the agent does not tell servers a name"),
        ] {
            if let Some(said) = self.values.get(&subject) {
                said.by.warn(what, problems);
            }
        }
        const REVOCATION: &str = "without effect, revoked certificates are looked up in \
                                  tlsCRLFile alone";
        for (subject, what) in [
            (Subject::DirectConnection, "without effect, no host but those of the URI is watched"),
            (Subject::DisableOcsp, REVOCATION),
            (Subject::DisableRevocation, REVOCATION),
        ] {
            if let Some(Said { by, .. }) = self.flag(subject).filter(|said| !said.value) {
                by.warn(what, problems);
            }
        }
    }

    /// Where a flag was set to true.
    pub(super) fn true_flag(&self, subject: Subject) -> Option<Origin> {
        self.flag(subject).filter(|said| said.value).map(|said| said.by)
    }

    pub(super) fn flag(&self, subject: Subject) -> Option<Said<bool>> {
        self.value(subject, |value| match value {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        })
    }

    pub(super) fn path(&self, subject: Subject) -> Option<Said<PathBuf>> {
        self.value(subject, |value| match value {
            Value::Path(path) => Some(path.clone()),
            _ => None,
        })
    }

    pub(super) fn secret(&self, subject: Subject) -> Option<Said<Secret>> {
        self.value(subject, |value| match value {
            Value::Secret(secret) => Some(secret.clone()),
            _ => None,
        })
    }

    pub(super) fn source(&self) -> Option<Said<String>> {
        self.value(Subject::AuthSource, |value| match value {
            Value::Source(source) => Some(source.clone()),
            _ => None,
        })
    }

    pub(super) fn mechanism(&self) -> Option<Said<AuthMechanism>> {
        self.value(Subject::AuthMechanism, |value| match value {
            Value::Mechanism(mechanism) => Some(*mechanism),
            _ => None,
        })
    }

    pub(super) fn wait(&self, subject: Subject) -> Option<Duration> {
        let wait = self.value(subject, |value| match value {
            Value::Wait(wait) => Some(*wait),
            _ => None,
        });
        wait.map(|said| said.value)
    }

    /// The options about TLS, without tls itself.
    pub(super) fn about_tls(&self) -> impl Iterator<Item = Origin> {
        let about = |subject: &Subject| subject.about_tls() && *subject != Subject::Tls;
        self.values.iter().filter(move |(subject, _)| about(subject)).map(|(_, said)| said.by)
    }

    fn value<T>(&self, subject: Subject, read: impl Fn(&Value) -> Option<T>) -> Option<Said<T>> {
        let Said { value, by } = self.values.get(&subject)?;
        Some(Said { value: read(value)?, by: *by })
    }
}

/// The option whose file may hold the key too, as it did in PyMongo.
pub(super) const WITH_OR_WITHOUT_KEY: &str = "ssl_certfile";

/// An unknown option about TLS could be the one that makes a connection safe; any other can be one
/// of some driver's (connection-string specification, "Keys").
fn refuse_or_warn(line: usize, name: &str, problems: &mut Problems) {
    let small = name.to_lowercase();
    let shown = match shown_key(name) {
        shown if shown == name => shown,
        _ => "(not an option)",
    };
    if options::OF_DRIVERS.iter().any(|option| option.eq_ignore_ascii_case(name)) {
        let what = format!("{shown}: an option for drivers, without effect on the agent");
        return problems.warn(line, "uri", what);
    }
    let known = if problems.is_full() {
        None
    } else {
        nearest(shown, options::ROWS.iter().map(|row| row.name))
    };
    let hint = known.map_or(String::new(), |known| format!(", did you mean {known}?"));
    if small.starts_with("tls") || small.starts_with("ssl") {
        let hint =
            if hint.is_empty() { ", `monitoring-agent list-settings` shows all" } else { &hint };
        problems.error(line, "uri", format!("{shown}: unknown option{hint}"));
    } else {
        problems.warn(line, "uri", format!("{shown}: unknown option, without effect{hint}"));
    }
}
