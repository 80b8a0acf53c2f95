//! Another configuration, taken whole or not at all, without touching the hosts that stay as they
//! were.

use std::{path::Path, sync::Arc};

use tracing::{error, info, warn};

use super::{
    Parts, StartError, announce, start_poller, start_upload,
    tasks::{Kind, Tasks},
    trust,
};
use crate::{
    config::{self, Config, Destination, Host},
    poller::Poller,
    sample::wall_millis,
    upload::Upload,
};

/// Reads the configuration again and puts it in the place of the running one. What is wrong with
/// it is said whole, and then the running one stays.
pub(super) async fn reload(running: &mut Config, parts: &Parts, tasks: &mut Tasks) {
    let file = running.file.clone();
    let telemetry = &parts.sources.telemetry;
    let next = match read(&file, parts).await {
        Ok(next) => next,
        Err(words) => {
            telemetry.config_reloaded(false, wall_millis());
            error!(file = %file.display(), "the configuration is refused, the running one stays:\n{words}");
            return;
        }
    };
    let change = match Change::between(running, &next, parts) {
        Ok(change) => change,
        Err(error) => {
            telemetry.config_reloaded(false, wall_millis());
            error!(file = %file.display(), "the configuration is refused, the running one stays: {error}");
            let known = |name: &Arc<str>| running.hosts.iter().any(|host| host.name == *name);
            let strangers = next.hosts.iter().map(|host| &host.name).filter(|name| !known(name));
            strangers.for_each(|name| parts.sources.latest.remove(name));
            return;
        }
    };
    warn_of_what_waits(running, &next);
    announce(&next);
    parts.look_at_ratchet(&next);
    let (added, removed) = (change.pollers.len(), change.gone.len());
    change.carry_out(parts, tasks, &next).await;
    *running = next;
    telemetry.config_reloaded(true, wall_millis());
    info!(
        file = %file.display(),
        hosts = running.hosts.len(),
        started = added,
        ended = removed,
        "the configuration was read again and is in force"
    );
}

/// The configuration, with every file that it needs, or in words why not.
async fn read(file: &Path, parts: &Parts) -> Result<Config, String> {
    let (path, trusts) = (file.to_owned(), Arc::clone(&parts.trusts));
    let reading = tokio::task::spawn_blocking(move || {
        let loaded = config::load(&path).map_err(|problems| problems.to_string())?;
        for warning in &loaded.warnings {
            warn!("{warning}");
        }
        let problems = trust::problems_of(&loaded.config, &trusts);
        if problems.is_empty() { Ok(loaded.config) } else { Err(problems.join("\n")) }
    });
    reading.await.map_err(|error| error.to_string())?
}

/// What has to be started and ended, made before anything is touched.
struct Change {
    /// Hosts that are gone or will be started anew.
    gone: Vec<Arc<str>>,
    pollers: Vec<(Arc<str>, Poller)>,
    destinations_gone: Vec<Arc<str>>,
    uploads: Vec<(Arc<str>, Upload)>,
}

impl Change {
    fn between(running: &Config, next: &Config, parts: &Parts) -> Result<Self, StartError> {
        let new_hosts: Vec<&Host> =
            next.hosts.iter().filter(|host| !running.hosts.contains(host)).collect();
        let new_destinations: Vec<&Destination> =
            next.destinations.iter().filter(|it| !running.destinations.contains(it)).collect();
        let pollers =
            new_hosts.iter().map(|host| Ok((Arc::clone(&host.name), parts.poller(host)?)));
        let uploads =
            new_destinations.iter().map(|it| Ok((Arc::clone(&it.name), parts.upload(it)?)));
        let gone = running.hosts.iter().filter(|host| !next.hosts.contains(host));
        let destinations_gone =
            running.destinations.iter().filter(|it| !next.destinations.contains(it));
        Ok(Self {
            gone: gone.map(|host| Arc::clone(&host.name)).collect(),
            pollers: pollers.collect::<Result<_, StartError>>()?,
            destinations_gone: destinations_gone.map(|it| Arc::clone(&it.name)).collect(),
            uploads: uploads.collect::<Result<_, StartError>>()?,
        })
    }

    /// Ends what goes before starting what comes, so that no host is polled twice at a time. An
    /// upload that changes hands its queue to the next one, which holds it already.
    async fn carry_out(self, parts: &Parts, tasks: &mut Tasks, next: &Config) {
        for name in &self.gone {
            tasks.retire(Kind::Poller, name).await;
            if !next.hosts.iter().any(|host| host.name == *name) {
                parts.sources.latest.remove(name);
            }
        }
        for name in &self.destinations_gone {
            tasks.retire(Kind::Upload, name).await;
        }
        parts.name(next);
        for (name, upload) in self.uploads {
            start_upload(tasks, &name, upload);
        }
        let hosts = next.hosts.len();
        for (name, poller) in self.pollers {
            start_poller(tasks, &name, poller, hosts);
        }
    }
}

/// Keys that are bound to the process.
fn warn_of_what_waits(running: &Config, next: &Config) {
    let waits = [
        ("prometheusListenAddress", running.listen != next.listen),
        ("stateDirectory", running.state_directory != next.state_directory),
        ("logLevel", running.log_level != next.log_level),
    ];
    for (key, _) in waits.into_iter().filter(|(_, differs)| *differs) {
        warn!(key, "the new value takes effect at the next start");
    }
}
