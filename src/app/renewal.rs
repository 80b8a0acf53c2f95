//! The files of certificates and revocation lists, looked at on a beat.

use std::{sync::Arc, time::Duration};

use tracing::{error, info};

use super::parts::Parts;
use crate::tls::Renewal;

/// How long a changed file may go unnoticed. Looking costs one stat a file.
pub(super) const PACE: Duration = Duration::from_secs(30);

/// Reads the files that changed, and says so.
pub(super) async fn look(parts: &Parts) {
    let trusts = Arc::clone(&parts.trusts);
    let looked = tokio::task::spawn_blocking(move || trusts.refresh()).await;
    let telemetry = &parts.sources.telemetry;
    for renewal in looked.unwrap_or_default() {
        match renewal {
            Renewal::Applied { file } => {
                telemetry.trust_file_renewed(true);
                info!(file = %file.display(), "the file changed and is in force");
            }
            Renewal::Refused { file, words } => {
                telemetry.trust_file_renewed(false);
                let file = file.display();
                error!(%file, "the file changed and is refused, the old content stays in force: {words}");
            }
        }
    }
    telemetry.set_refused_files(parts.trusts.refused_files());
}
