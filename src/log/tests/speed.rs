//! How fast frames go in and out: printed, not judged. `cargo test --release speed -- --ignored
//! --nocapture`.

use std::time::Duration;

use super::*;

/// Time that this thread was on a processor, since other things may run beside it.
struct Instant(Duration);

impl Instant {
    fn now() -> Instant {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        Instant(Duration::from_nanos(
            text.split(' ').next().map_or(0, |text| text.parse().unwrap_or(0)),
        ))
    }

    fn elapsed(&self) -> Duration {
        Instant::now().0 - self.0
    }
}

fn measure(body_bytes: usize, count: usize) {
    let dir = tempfile::tempdir().unwrap();
    let env = env(Arc::new(OsDisk::default()), 1);
    let (mut writer, _) = open(&env, dir.path(), 64 << 20).unwrap();
    let filler: Vec<u8> = (0..body_bytes).map(|at| (at * 31 % 251) as u8).collect();
    let body = Body::new(0, 1, filler);
    let start = Instant::now();
    for _ in 0..count {
        let (body, after) = body.encode(&writer.tally());
        writer.append(&body, 1, after).unwrap();
    }
    writer.view().unwrap();
    let appended = start.elapsed();
    writer.sync().unwrap();
    let synced = start.elapsed();
    writer.close().unwrap();
    let bytes = (count * body_bytes) as f64 / 1e9;
    let opening = Instant::now();
    let view = View::open(&env, dir.path(), readers()).unwrap();
    let opened = opening.elapsed();
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let start = Instant::now();
        assert_eq!(
            view.frames(0).map(|frame| frame.unwrap().events as usize).sum::<usize>(),
            count
        );
        rounds.push(start.elapsed());
    }
    let again = Instant::now();
    drop(open(&env, dir.path(), 64 << 20).unwrap());
    let again = again.elapsed();
    println!(
        "{count} batches of {body_bytes} bytes: append {:.2} GB/s ({:.0} ns each), synced {:.2} GB/s; \
         open to read {opened:?}, read {:.2} GB/s cold, {:.2} GB/s warm ({:.0} ns each); open to append {again:?}",
        bytes / appended.as_secs_f64(),
        appended.as_secs_f64() * 1e9 / count as f64,
        bytes / synced.as_secs_f64(),
        bytes / rounds[0].as_secs_f64(),
        bytes / rounds[2].as_secs_f64(),
        rounds[2].as_secs_f64() * 1e9 / count as f64,
    );
}

#[test]
#[ignore = "a measurement"]
fn speed() {
    measure(80_000, 4_000);
    measure(200, 500_000);
}
