//! Files in every form: the reader finds each item, at its line, whatever the size of its buffer.

use std::io::BufReader;

use ltvlog::{Flow, Reason, read_events};

use crate::model::event;
use crate::random::file::File;
use crate::random::{Scenario, each_seed};
use crate::texts::rules;

#[test]
fn random_files() {
    each_seed("files::random_files", 20_000, 600, |seed| {
        let mut scenario = Scenario::new(seed);
        let rules = rules(&scenario.terms);
        for call in &scenario.calls {
            let file = File::new(&mut scenario.random, &call.texts);
            let capacity = scenario.random.pick(&[1, 2, 7, 64, 4_096, 1 << 18]);
            let mut source = BufReader::with_capacity(capacity, file.bytes.as_slice());
            let mut wanted = file.items.iter();
            let mut breaks = 0;
            let flow = read_events(&mut source, &rules, &mut |incoming| {
                let Some((line, text)) = wanted.next() else {
                    breaks += 1;
                    let reason = incoming.event.expect_err("a break is no event").reason;
                    assert_eq!(reason, Reason::MalformedJson);
                    return Ok(Flow::Continue);
                };
                let show = String::from_utf8_lossy(text);
                assert_eq!(String::from_utf8_lossy(incoming.text), show);
                assert_eq!(incoming.line, *line, "the line of {show}");
                let reason = event::read(text, &scenario.terms).err();
                let found = incoming.event.as_ref().err().map(|rejection| rejection.reason.name());
                assert_eq!(found, reason, "{show}");
                Ok(Flow::Continue)
            });
            let show = || String::from_utf8_lossy(&file.bytes);
            assert_eq!(flow.expect("a file in memory can be read"), Flow::Continue);
            assert_eq!(wanted.next(), None, "not found in {}", show());
            assert_eq!(breaks, u64::from(file.is_broken), "breaks of {}", show());
        }
    });
}
