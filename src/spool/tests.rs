use std::{collections::HashMap, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::{
    config::Address,
    net::Transport,
    sample::{Collected, Columns, Failure, History, HostIdentity, Interner, Reading, Reason},
    telemetry::Telemetry,
};

/// A sample of a host that is down.
pub(crate) fn sample(host: &str, taken_at: i64) -> Arc<Sample> {
    Arc::new(Sample {
        host: Arc::new(HostIdentity {
            name: host.into(),
            address: Address { host: host.to_owned(), port: 27017 },
            tls: false,
            require_valid: true,
        }),
        taken_at,
        took: Duration::ZERO,
        outcome: Err(Failure { reason: Reason::Connect, words: "refused".to_owned() }),
        history: History::default(),
        handshake: None,
    })
}

fn stamps(batch: Option<&Batch>) -> Vec<i64> {
    batch.map_or(Vec::new(), |batch| batch.samples().iter().map(|it| it.taken_at).collect())
}

struct Reader {
    cursor: Cursor,
    telemetry: DestinationTelemetry,
}

fn reader(spool: &Spool, name: &str) -> Reader {
    let telemetry = Telemetry::new("0", 0).destination(name);
    Reader { cursor: spool.cursor(name.into(), telemetry.clone()), telemetry }
}

fn three_samples() -> Spool {
    Spool::new(Limits { bytes: usize::MAX, samples: 3 })
}

#[tokio::test]
async fn each_destination_reads_at_its_own_pace_and_a_batch_stays_until_it_is_advanced() {
    let spool = Spool::new(Limits::default());
    let [mut fast, mut slow] = [reader(&spool, "fast"), reader(&spool, "slow")];
    for taken_at in 0..5 {
        spool.append(&sample("a", taken_at));
    }
    let mut batch = fast.cursor.next_batch(4).await.expect("open");
    assert_eq!(stamps(Some(&batch)), [0, 1, 2, 3]);
    batch.truncate(3);
    fast.cursor.advance(batch);
    assert_eq!(stamps(fast.cursor.next_batch(9).await.as_ref()), [3, 4]);
    assert_eq!(stamps(slow.cursor.next_batch(2).await.as_ref()), [0, 1]);
    assert_eq!(stamps(slow.cursor.next_batch(9).await.as_ref()), [0, 1, 2, 3, 4], "not advanced");
    assert_eq!((fast.cursor.waiting(), slow.cursor.waiting()), (2, 5));
}

#[tokio::test]
async fn the_oldest_go_when_there_is_no_room_and_only_for_the_destination_that_is_behind() {
    let spool = three_samples();
    let [mut fast, mut slow] = [reader(&spool, "fast"), reader(&spool, "slow")];
    for taken_at in 0..5 {
        spool.append(&sample("a", taken_at));
        let batch = fast.cursor.next_batch(9).await.expect("open");
        fast.cursor.advance(batch);
    }
    assert_eq!(fast.telemetry.dropped_total(DropReason::QueueFull), 0);
    assert_eq!(slow.telemetry.dropped_total(DropReason::QueueFull), 2);
    assert_eq!(stamps(slow.cursor.next_batch(9).await.as_ref()), [2, 3, 4]);
}

#[tokio::test]
async fn what_is_in_flight_is_not_dropped_and_so_never_counted_both_as_lost_and_as_delivered() {
    let spool = three_samples();
    let mut reader = reader(&spool, "slow");
    for taken_at in 0..3 {
        spool.append(&sample("a", taken_at));
    }
    let in_flight = reader.cursor.next_batch(2).await.expect("open");
    for taken_at in 3..6 {
        spool.append(&sample("a", taken_at));
    }
    assert_eq!(reader.telemetry.dropped_total(DropReason::QueueFull), 3, "2, 3 and 4");
    reader.cursor.advance(in_flight);
    assert_eq!(stamps(reader.cursor.next_batch(9).await.as_ref()), [5]);
}

#[tokio::test]
async fn a_batch_that_failed_makes_room_like_any_other() {
    let spool = three_samples();
    let mut reader = reader(&spool, "slow");
    for taken_at in 0..3 {
        spool.append(&sample("a", taken_at));
    }
    drop(reader.cursor.next_batch(3).await);
    spool.append(&sample("a", 3));
    assert_eq!(stamps(reader.cursor.next_batch(9).await.as_ref()), [1, 2, 3]);
    assert_eq!(reader.telemetry.dropped_total(DropReason::QueueFull), 1);
}

#[tokio::test]
async fn the_bound_is_the_memory_of_the_samples() {
    let one = memory::of(&sample("a", 0));
    assert!(one > size_of::<Sample>(), "{one}");
    let spool = Spool::new(Limits { bytes: 2 * one, samples: 100 });
    let mut reader = reader(&spool, "slow");
    for taken_at in 0..5 {
        spool.append(&sample("a", taken_at));
    }
    assert_eq!(stamps(reader.cursor.next_batch(9).await.as_ref()), [3, 4]);
    assert_eq!(reader.telemetry.dropped_total(DropReason::QueueFull), 3);
}

#[test]
fn the_memory_of_a_reading_is_about_that_of_its_columns() {
    let numbers: bson::RawArrayBuf = (0..2_000_i64).collect();
    let document = bson::rawdoc! { "numbers": numbers };
    let columns = Columns::read(document.as_bytes(), None, &Interner::default());
    let collected = Collected {
        taken_at: 0,
        took: Duration::ZERO,
        outcome: Ok(Arc::new(columns.expect("a document"))),
    };
    let mut reading = sample("a", 0);
    let sample = Arc::get_mut(&mut reading).expect("not shared");
    sample.outcome = Ok(Reading {
        transport: Transport::Tls,
        server_started_at: None,
        collected: [Some(collected), None, None, None, None],
    });
    let bytes = memory::of(sample);
    // 64 numbers take one byte and the others two; 384 bytes are for finding them again.
    assert!((4_320..5_200).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn a_waiting_reader_is_woken_and_a_cancelled_wait_loses_nothing() {
    let spool = Spool::new(Limits::default());
    let mut reader = reader(&spool, "a");
    for taken_at in 0..3 {
        let nothing = tokio::time::timeout(Duration::from_millis(1), reader.cursor.next_batch(1));
        assert!(nothing.await.is_err(), "nothing was appended");
        let wait = reader.cursor.next_batch(1);
        let (batch, ()) = tokio::join!(wait, async { spool.append(&sample("a", taken_at)) });
        assert_eq!(stamps(batch.as_ref()), [taken_at]);
        reader.cursor.advance(batch.expect("a batch"));
    }
}

#[tokio::test]
async fn a_closed_spool_hands_out_what_waits_then_ends_and_counts_what_comes_too_late() {
    let spool = Spool::new(Limits::default());
    let mut reader = reader(&spool, "a");
    spool.append(&sample("a", 1));
    spool.close();
    spool.append(&sample("a", 2));
    let batch = reader.cursor.next_batch(9).await.expect("one waits");
    assert_eq!(stamps(Some(&batch)), [1]);
    reader.cursor.advance(batch);
    assert!(reader.cursor.next_batch(9).await.is_none());
    assert_eq!(reader.telemetry.dropped_total(DropReason::Stopped), 1);
    let mut late = self::reader(&spool, "late");
    assert!(late.cursor.next_batch(9).await.is_none());
}

#[tokio::test]
async fn closing_wakes_a_reader_that_waits() {
    let spool = Spool::new(Limits::default());
    let mut reader = reader(&spool, "a");
    let (end, ()) = tokio::join!(reader.cursor.next_batch(1), async { spool.close() });
    assert!(end.is_none());
}

#[test]
fn a_destination_that_is_gone_collects_nothing() {
    let spool = Spool::new(Limits::default());
    drop(reader(&spool, "gone"));
    let sample = sample("a", 1);
    spool.append(&sample);
    assert_eq!(Arc::strong_count(&sample), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Peek(usize),
    Advance,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0_u8..3).prop_map(Step::Append),
        2 => (1_usize..6).prop_map(Step::Peek),
        1 => Just(Step::Advance),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn nothing_is_invented_doubled_or_reordered_and_every_loss_is_counted(steps in steps()) {
        let spool = Spool::new(Limits { bytes: usize::MAX, samples: 7 });
        let mut reader = reader(&spool, "a");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let (mut appended, mut delivered) = (0_u64, Vec::new());
        let mut batch: Option<Batch> = None;
        for step in steps {
            match step {
                Step::Append(host) => {
                    appended += 1;
                    let taken_at = i64::try_from(appended).expect("few");
                    spool.append(&sample(&host.to_string(), taken_at));
                }
                Step::Peek(limit) if reader.cursor.waiting() > 0 => {
                    batch = runtime.block_on(reader.cursor.next_batch(limit));
                }
                Step::Peek(_) => {}
                Step::Advance => {
                    let Some(batch) = batch.take() else { continue };
                    let samples = batch.samples().iter();
                    delivered.extend(samples.map(|it| (it.host.name.clone(), it.taken_at)));
                    reader.cursor.advance(batch);
                }
            }
            prop_assert!(reader.cursor.waiting() <= 7);
        }
        let mut last = HashMap::new();
        for (host, taken_at) in &delivered {
            let before = last.insert(host, taken_at);
            prop_assert!(before < Some(taken_at), "{host}: {before:?} before {taken_at}");
        }
        let lost = reader.telemetry.dropped_total(DropReason::QueueFull);
        let waiting = u64::try_from(reader.cursor.waiting()).expect("few");
        let taken = u64::try_from(delivered.len()).expect("few");
        prop_assert_eq!(appended, taken + lost + waiting);
    }
}
