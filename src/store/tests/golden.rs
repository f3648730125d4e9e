//! The bytes of format 1: a directory that is never written again must be read for ever, and the
//! same events in the same world must give the same bytes.

use std::fs;

use super::*;

/// The calls whose events the golden directory holds.
const CALLS: [&str; 4] = [
    // The specification's sample events.
    r#"{"type": "CUSTOMER", "verb": "NEW", "key": "96f55c7d8f42", "event_time": "2017-01-06T12:46:46.384Z", "last_name": "Smith", "adr_city": "Middletown", "adr_state": "AK"}
{"type": "SITE_VISIT", "verb": "NEW", "key": "ac05e815502f", "event_time": "2017-01-06T12:45:52.041Z", "customer_id": "96f55c7d8f42", "tags": [{"some key": "some value"}]}
{"type": "IMAGE", "verb": "UPLOAD", "key": "d8ede43b1d9f", "event_time": "2017-01-06T12:47:12.344Z", "customer_id": "96f55c7d8f42", "camera_make": "Canon", "camera_model": "EOS 80D"}
{"type": "ORDER", "verb": "NEW", "key": "68d84e5d1a43", "event_time": "2017-01-06T12:55:55.555Z", "customer_id": "96f55c7d8f42", "total_amount": "12.34 USD"}"#,
    // Every other kind of row, a held event, fields that are not ours, a refund.
    r#"{"type": "SITE_VISIT", "verb": "NEW", "key": "Besuch №1", "event_time": "2017-02-01T00:00:00Z", "customer_id": "Zoë"}
{"type": "CUSTOMER", "verb": "NEW", "key": "Zoë", "event_time": "2017-01-31T23:59:59.999999+01:00", "vip": {"since": 2012.50, "a": null}, "adr_state": ""}
{"type": "CUSTOMER", "verb": "UPDATE", "key": "96f55c7d8f42", "event_time": "2017-02-02T00:00:00Z", "last_name": "Smith-Jones"}
{"type": "ORDER", "verb": "UPDATE", "key": "68d84e5d1a43", "event_time": "2017-02-03T00:00:00Z", "customer_id": "Zoë", "total_amount": "-0.5 USD"}
{"type": "ORDER", "verb": "UPDATE", "key": "68d84e5d1a43", "event_time": "2017-02-02T00:00:00Z", "customer_id": "96f55c7d8f42", "total_amount": "99 USD"}"#,
    // Enough to begin a second segment.
    r#"{"type": "ORDER", "verb": "NEW", "key": "o3", "event_time": "2018-03-04T05:06:07Z", "customer_id": "Zoë", "total_amount": "999999999999.99 USD", "note": "a note that is long enough to fill what is left of the first segment, which holds no more than one kibibyte of bytes, and as everybody knows a kibibyte is not very much at all when it comes to text that people write"}"#,
    r#"{"type": "SITE_VISIT", "verb": "NEW", "key": "v4", "event_time": "2018-03-04T05:06:08Z", "customer_id": "96f55c7d8f42", "tags": {"a": [1, 2]}}"#,
];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1")
}

fn write(dir: &Path) {
    // The time of a call, however often a store asks for it.
    let clock = Arc::new(AtomicI64::new(1_483_707_600_000_000));
    let now = Arc::clone(&clock);
    let world = Env {
        now_us: Arc::new(move || now.load(Ordering::Relaxed)),
        ..env(Env::real(false).disk, 1)
    };
    let options = Options { segment_bytes_max: 1 << 10, ..Options::default() };
    let mut store = Store::open_in(world, dir.to_path_buf(), options).unwrap();
    for call in CALLS {
        let lines: Vec<String> = call.lines().map(str::to_owned).collect();
        assert_eq!(append(&mut store, &lines).unwrap().accepted, lines.len() as u64);
        clock.fetch_add(1_000_000, Ordering::Relaxed);
    }
    store.close().unwrap();
}

fn segments(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(dir.join("segments")).unwrap();
    let mut files: Vec<_> = files
        .map(|file| file.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// `LTVLOG_GOLDEN=new cargo test` writes a directory that is not there yet; one that is there is
/// never touched.
#[test]
fn the_same_events_give_the_same_bytes() {
    if std::env::var_os("LTVLOG_GOLDEN").is_some() && !golden().exists() {
        write(&golden());
    }
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let (ours, golden) = (segments(dir.path()), segments(&golden()));
    assert!(golden.len() >= 2, "the golden directory has a sealed segment and an active one");
    assert_eq!(ours, golden);
}

#[test]
fn the_golden_directory_is_read() {
    // Readers write nothing, so the directory itself is read.
    let store = Store::open(golden(), Options::default()).unwrap();
    let rules = store.rules().clone();
    let normal = |line: &str| {
        let mut form = Vec::new();
        Event::from_json(line.as_bytes(), &rules).unwrap().normal_form(&mut form);
        form
    };
    let mut events: Vec<&str> = CALLS.iter().flat_map(|call| call.lines()).collect();
    // The visit was held until its customer was known.
    let held = events.remove(4);
    events.insert(8, held);
    let exported = export(&store).unwrap();
    assert_eq!(exported.len(), events.len());
    for (exported, event) in exported.iter().zip(events) {
        assert_eq!(normal(exported), normal(event), "{exported}");
    }
    let verified = store.verify().unwrap();
    assert_eq!((verified.problems, verified.torn_bytes), (Vec::new(), 0));
    let top = store.top(10, &Question::default()).unwrap();
    let names: Vec<_> = top.customers.iter().map(|one| one.last_name.as_deref()).collect();
    assert_eq!(names, [None, Some("Smith-Jones")]);
    assert_eq!(top.customers[0].revenue_cents, 99_999_999_999_949);
}

/// The example in docs/format.md is the golden directory's first segment, byte for byte.
#[test]
fn the_example_in_the_format_is_the_golden_segment() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md"));
    let text = text.unwrap();
    let mut bytes = Vec::new();
    for line in text.lines().map(str::trim_start) {
        // Lines of the dump: an offset of eight hex digits, two spaces, up to 16 bytes.
        let Some((offset, rest)) = line.split_once("  ") else { continue };
        let (8, Ok(offset)) = (offset.len(), usize::from_str_radix(offset, 16)) else { continue };
        assert_eq!(offset, bytes.len(), "the dump has no gap");
        let hex = rest.split("  ").next().unwrap();
        bytes.extend(hex.split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()));
    }
    let [(_, first), ..] = &segments(&golden())[..] else { panic!("there is a segment") };
    assert_eq!(&bytes, first);
}
