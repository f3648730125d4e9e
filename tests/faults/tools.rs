//! What this machine has: tools and rights.

use std::env;
use std::process::{Command, Stdio};

use crate::tier::{Tier, tier};

/// Runs a command that is to say nothing; whether it did what it should.
pub fn quiet(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether a tool is there.
pub fn has_tool(test: &str, tool: &str, package: &str) -> bool {
    if quiet(Command::new("sh").args(["-c", &format!("command -v {tool}")])) {
        return true;
    }
    skip(test, &format!("{tool} is not installed (package {package})"))
}

/// Whether strace is there and may do its work.
pub fn has_strace(test: &str) -> bool {
    has_tool(test, "strace", "strace")
        && (quiet(Command::new("strace").args(["-o", "/dev/null", "true"]))
            || skip(test, "this process may not trace another"))
}

/// Whether this is root, by what root alone may do.
pub fn is_root(test: &str) -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0") || skip(test, "only root may mount")
}

/// Says that something cannot be shown here, and why. False. Where everything is to be shown, that
/// is a failure, unless whoever runs the tests knows of it.
pub fn skip(test: &str, why: &str) -> bool {
    let may_skip = tier() != Tier::Ci || env::var("LTVLOG_MAY_SKIP").is_ok_and(|may| may == "1");
    assert!(may_skip, "{test}: {why}; LTVLOG_MAY_SKIP=1 lets LTVLOG_TIER=ci skip it");
    println!("skipped: {test}: {why}");
    false
}
