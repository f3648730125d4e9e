//! Derived files that replace others: a power cut leaves the old bytes, the new ones or none.

use super::*;
use crate::log::{SimDisk, SimFault};
use crate::store::files;

const DIR: &str = "/log";
const NAME: &str = "derived.bin";

/// Replaces the file twice on a disk whose `at`-th change fails.
fn replace(disk: &SimDisk, at: u64, fault: SimFault, clean_first: bool) {
    let env = env(Arc::new(disk.clone()), 1);
    let path = Path::new(DIR).join(NAME);
    disk.fail(at, fault, false);
    for bytes in [[b'b'; 700], [b'c'; 700]] {
        if clean_first {
            files::remove_temporary(&env, Path::new(DIR));
        }
        files::replace(&env, &path, &bytes).ok();
    }
}

#[test]
fn a_power_cut_never_renames_what_was_half_written_before() {
    let of = |name: &str, bytes: &[u8]| (Path::new(DIR).join(name), bytes.to_vec());
    let begun = [of(NAME, &[b'a'; 700]), of("derived.tmp", b"b")].into();
    let (mut states, mut seen) = (0_u32, std::collections::BTreeSet::new());
    for (clean_first, fault) in [
        (false, SimFault::PowerOff),
        (true, SimFault::PowerOff),
        (false, SimFault::Error(5)),
        (true, SimFault::Error(28)),
    ] {
        for at in 0..20 {
            for choices in 0_u32..1 << 10 {
                let disk = SimDisk::of_files(&begun);
                replace(&disk, at, fault, clean_first);
                let mut left = choices;
                let after = disk.crash(
                    &mut |count| {
                        let choice = left as usize % count;
                        left /= count as u32;
                        choice
                    },
                    false,
                );
                let bytes = after.files().remove(&Path::new(DIR).join(NAME)).expect("a file");
                let one = bytes.first().copied().unwrap_or(0);
                assert!(
                    bytes == [one; 700] && b"abc".contains(&one),
                    "change {at}, {fault:?}, choices {choices:b}: {bytes:?}"
                );
                seen.insert(one);
                states += 1;
            }
        }
    }
    println!("T1: {states} crash states of replaced files");
    assert_eq!(seen, b"abc".iter().copied().collect());
}
