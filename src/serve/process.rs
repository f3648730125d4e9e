//! What the process itself takes, under the names that Prometheus has for it. Where there is no
//! `/proc`, nothing is told.

use std::fs;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Memory and descriptors, looked up when they are asked for.
pub(super) struct Process {
    resident_bytes: Gauge<u64, AtomicU64>,
    descriptors: Gauge<u64, AtomicU64>,
}

impl Process {
    /// Begins to tell of this process.
    pub(super) fn register(to: &mut Registry) -> Process {
        let process = Process { resident_bytes: Gauge::default(), descriptors: Gauge::default() };
        if resident_bytes().is_some() {
            let memory = "Memory that the process has of the machine";
            let gauge = process.resident_bytes.clone();
            to.register_with_unit("process_resident_memory", memory, Unit::Bytes, gauge);
        }
        if descriptors().is_some() {
            let files = "Open files and connections";
            to.register("process_open_fds", files, process.descriptors.clone());
        }
        if let Some(seconds) = start_seconds() {
            let start: Gauge<u64, AtomicU64> = Gauge::default();
            start.set(seconds);
            let since = "When the process started, in seconds since 1970";
            to.register_with_unit("process_start_time", since, Unit::Seconds, start);
        }
        process
    }

    /// Looks again.
    pub(super) fn look(&self) {
        if let Some(bytes) = resident_bytes() {
            self.resident_bytes.set(bytes);
        }
        if let Some(count) = descriptors() {
            self.descriptors.set(count);
        }
    }
}

fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

fn descriptors() -> Option<u64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    // One of them is there to look.
    u64::try_from(count).ok()?.checked_sub(1)
}

/// The kernel tells it in ticks since the machine started.
fn start_seconds() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name, in which there may be anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let start = machine.lines().find_map(|line| line.strip_prefix("btime "))?;
    let start: u64 = start.trim().parse().ok()?;
    start.checked_add(ticks.checked_div(rustix::param::clock_ticks_per_second())?)
}
