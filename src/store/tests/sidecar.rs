//! Sidecars and runs as bytes.

use super::*;

const COVER: Cover = Cover { log_id: 9, first: 1_000, end: 11_000, chain: 77 };

fn spread(n: u32) -> u64 {
    u64::from(n).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn entries(count: u32) -> Vec<Entry> {
    (0..count).map(|row| Entry { hash: spread(row / 2), row }).collect()
}

const FORMS: [Form; 2] = [Form::Segment, Form::Run];

fn open(form: Form, bytes: &[u8]) -> Result<Sidecar, Why> {
    Sidecar::open(form, Map::owned(bytes.to_vec()))
}

#[test]
fn it_finds_what_was_entered_newest_first_and_nothing_else() {
    for (count, form) in [0, 1, 2, 7, 8, 9, 16, 17, 1_000, 10_000]
        .into_iter()
        .flat_map(|count| FORMS.map(|form| (count, form)))
    {
        let sidecar = open(form, &encode(form, &COVER, entries(count))).unwrap();
        assert_eq!(sidecar.cover(), COVER);
        sidecar.check().unwrap();
        for n in 0..count / 2 {
            let mut found = Vec::new();
            sidecar.candidates(spread(n), &mut found).unwrap();
            let newest = 1_000 + u64::from(n) * 2 + 1;
            assert_eq!(found, [newest, newest - 1], "{n} of {count}");
            found.clear();
            sidecar.candidates(spread(n) ^ 1, &mut found).unwrap();
            assert!(found.is_empty());
        }
    }
}

#[test]
fn it_gives_its_hashes_as_far_as_it_knows_them() {
    for (count, form) in [(0, Form::Segment), (9_000, Form::Segment), (9_000, Form::Run)] {
        let sidecar = open(form, &encode(form, &COVER, entries(count))).unwrap();
        let known = !(u64::from(u32::MAX) >> sidecar.upper_bits() << 32);
        let mut found = Vec::new();
        sidecar.hashes(&mut |hash| found.push(hash)).unwrap();
        let mut expected: Vec<u64> =
            entries(count).iter().map(|entry| entry.hash & known).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!((found, sidecar.len()), (expected, u64::from(count)));
    }
}

/// The more buckets it has, the fewer bytes an entry needs.
#[test]
fn a_run_gives_its_entries_back() {
    for (count, entry_bytes) in [(1, 12), (1_000, 12), (2_000, 11), (200_000, 11), (300_000, 10)] {
        let cover = Cover { end: COVER.first + u64::from(count), ..COVER };
        let run = open(Form::Run, &encode(Form::Run, &cover, entries(count))).unwrap();
        let mut found = Vec::new();
        run.entries(COVER.first - 7, &mut found).unwrap();
        found.sort_unstable_by_key(|entry| entry.row);
        let moved = |entry: Entry| Entry { row: entry.row + 7, ..entry };
        assert!(found.iter().copied().eq(entries(count).into_iter().map(moved)), "{count}");
        let buckets_at = run.data_at + ((1 << run.bits) + 1) * 4;
        assert_eq!(run.all().len() - buckets_at, entry_bytes * found.len(), "{count}");
        if count > 1 {
            let told = run.entries(COVER.first + 1, &mut found);
            assert_eq!(told, Err(BROKEN), "before the first");
            assert_eq!(found.len(), count as usize);
        }
    }
}

#[test]
fn an_entry_for_a_row_that_its_segment_does_not_have_is_refused() {
    let end = COVER.first + 4;
    for (first, end) in [(COVER.first, end), (u64::MAX - 4, u64::MAX), (u64::MAX - 3, 0)] {
        for form in FORMS {
            let bytes = encode(form, &Cover { first, end, ..COVER }, entries(8));
            let sidecar = open(form, &bytes).unwrap();
            let mut found = Vec::new();
            let told = sidecar.candidates(spread(3), &mut found);
            assert_eq!(told, Err(BROKEN), "{first} to {end}");
            assert!(found.is_empty());
            let mut all = Vec::new();
            assert_eq!(sidecar.entries(first, &mut all), Err(BROKEN), "{first} to {end}");
            assert!(all.is_empty());
        }
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    for form in FORMS {
        let good = encode(form, &COVER, entries(40));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let found = open(form, &bad).and_then(|sidecar| sidecar.check());
            assert!(found.is_err(), "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(open(form, &good[..length]).is_err(), "cut at {length}");
        }
    }
}
