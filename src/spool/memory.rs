//! How much memory a sample keeps from being freed.

use std::mem::size_of;

use crate::{
    sample::{Columns, Sample},
    tls::{Certificate, Report},
};

/// What one allocation costs beyond its content: the allocator's header, and rounding.
const ALLOCATION: usize = 16;

/// Bytes of memory, an upper bound: parts that several samples share (a handshake's report, a
/// reply that is asked for once a connection) are counted in each. Schemas are not: there is one
/// for all samples with the same leaves.
pub(super) fn of(sample: &Sample) -> usize {
    let outcome = match &sample.outcome {
        Ok(reading) => {
            let collected = reading.collected.iter().flatten();
            collected
                .map(|collected| match &collected.outcome {
                    Ok(columns) => of_columns(columns),
                    Err(failure) => allocated(failure.words.len()),
                })
                .sum()
        }
        Err(failure) => allocated(failure.words.len()),
    };
    let handshake = sample.handshake.as_deref().map_or(0, of_report);
    allocated(size_of::<Sample>()) + outcome + handshake
}

fn of_columns(columns: &Columns) -> usize {
    // Its content is in four allocations.
    allocated(size_of::<Columns>()) + columns.heap_bytes() + 4 * ALLOCATION
}

fn of_report(report: &Report) -> usize {
    let negotiated =
        report.negotiated.iter().map(|it| allocated(it.cipher.len()) + allocated(it.group.len()));
    let certificates = report.chain.iter().chain(&report.anchor);
    allocated(size_of::<Report>())
        + negotiated.sum::<usize>()
        + certificates.map(of_certificate).sum::<usize>()
}

fn of_certificate(certificate: &Certificate) -> usize {
    let texts = [
        &certificate.subject,
        &certificate.issuer,
        &certificate.serial,
        &certificate.key,
        &certificate.signature_algorithm,
        &certificate.fingerprint,
    ];
    let names = certificate.names.iter().map(|name| size_of::<String>() + text(Some(name)));
    size_of::<Certificate>()
        + texts.into_iter().map(|it| text(Some(it))).sum::<usize>()
        + names.sum::<usize>()
}

fn text(text: Option<&str>) -> usize {
    text.map_or(0, |text| allocated(text.len()))
}

fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + ALLOCATION }
}
