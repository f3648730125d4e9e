//! Who may do what: tokens with scopes, from a file that may change while the server runs.
//!
//! A line has a scope and a token, `append 4f1c…`; empty lines and those that begin with `#` are
//! passed over. Tokens are kept as their SHA-256, and every one of them is compared with what a
//! request brings, in constant time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a token gives leave to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Scope {
    /// To ask and to follow.
    Read,
    /// To append.
    Append,
    /// To do both.
    Admin,
}

impl Scope {
    fn covers(self, wanted: Scope) -> bool {
        self == wanted || self == Scope::Admin
    }
}

/// Shorter ones could be guessed.
const TOKEN_BYTES_MIN: usize = 16;
/// Each request is compared with all of them.
const TOKENS_MAX: usize = 1_000;
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Whether a request may be carried out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Granted,
    /// The token is good, for something else.
    WrongScope,
    /// There is no such token.
    Unknown,
}

/// The tokens that hold now.
pub(super) struct Tokens {
    path: PathBuf,
    known: RwLock<Known>,
}

struct Known {
    tokens: Vec<(Scope, [u8; 32])>,
    version: Option<Version>,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Version {
    modified: Option<SystemTime>,
    bytes: u64,
    file: u64,
}

impl Tokens {
    /// Reads the file, which must be without fault.
    pub(super) fn open(path: &Path) -> Result<Tokens, String> {
        let known = RwLock::new(read(path)?);
        Ok(Tokens { path: path.to_path_buf(), known })
    }

    /// Whether a token gives leave.
    pub(super) fn allows(&self, token: &[u8], wanted: Scope) -> Verdict {
        let token: [u8; 32] = Sha256::digest(token).into();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut verdict = Verdict::Unknown;
        // All are compared: how long it takes tells nothing of which one it is.
        for (scope, hash) in &known.tokens {
            if bool::from(hash.as_slice().ct_eq(&token)) {
                let granted = scope.covers(wanted) || verdict == Verdict::Granted;
                verdict = if granted { Verdict::Granted } else { Verdict::WrongScope };
            }
        }
        verdict
    }

    /// Takes up the file if it changed; whether it did. What is wrong with it leaves everything as
    /// it was.
    pub(super) fn refresh(&self) -> Result<bool, String> {
        let version = version(&self.path);
        let is_same = |known: &Known| version.is_some() && known.version == version;
        if is_same(&self.known.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(false);
        }
        let known = read(&self.path)?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(true)
    }
}

fn version(path: &Path) -> Option<Version> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).ok()?;
    let (bytes, file) = (metadata.len(), metadata.ino());
    Some(Version { modified: metadata.modified().ok(), bytes, file })
}

fn read(path: &Path) -> Result<Known, String> {
    let wrong = |what: &str| format!("the tokens in {}: {what}", path.display());
    // Before the file is read: what changes meanwhile is seen the next time.
    let version = version(path);
    if version.is_some_and(|version| version.bytes > FILE_BYTES_MAX) {
        return Err(wrong("the file is larger than 1 MiB"));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(&error.to_string()))?;
    let mut tokens = Vec::new();
    for (line, number) in text.lines().map(str::trim).zip(1_u32..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (scope, token) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let scope = match scope {
            "read" => Scope::Read,
            "append" => Scope::Append,
            "admin" => Scope::Admin,
            _ => {
                return Err(wrong(&format!(
                    "line {number} begins with no scope: read, append or admin"
                )));
            }
        };
        let token = token.trim();
        let is_plain = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.len() < TOKEN_BYTES_MIN || !is_plain {
            let needs = "a token has 16 or more letters, digits or signs, and no space";
            return Err(wrong(&format!("line {number}: {needs}")));
        }
        tokens.push((scope, Sha256::digest(token.as_bytes()).into()));
    }
    match tokens.len() {
        0 => Err(wrong("there is none")),
        1..=TOKENS_MAX => Ok(Known { tokens, version }),
        _ => Err(wrong("there are more than 1,000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = "0123456789abcdef";
    const APPEND: &str = "fedcba9876543210";
    const ADMIN: &str = "aaaaaaaaaaaaaaaa";

    #[test]
    fn a_token_gives_leave_to_what_its_scope_says() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        let text =
            format!("# ours\nread {READ}\n\nappend\t{APPEND}  \nadmin {ADMIN}\nread {APPEND}x\n");
        fs::write(&path, text).unwrap();
        let tokens = Tokens::open(&path).unwrap();
        let verdicts = |token: &str| {
            [Scope::Read, Scope::Append].map(|scope| tokens.allows(token.as_bytes(), scope))
        };
        use Verdict::{Granted, Unknown, WrongScope};
        assert_eq!(verdicts(READ), [Granted, WrongScope]);
        assert_eq!(verdicts(APPEND), [WrongScope, Granted]);
        assert_eq!(verdicts(ADMIN), [Granted, Granted]);
        for unknown in ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef "] {
            assert_eq!(verdicts(unknown), [Unknown, Unknown], "{unknown:?}");
        }
    }

    #[test]
    fn tokens_are_rotated_and_a_bad_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens");
        fs::write(&path, format!("read {READ}\n")).unwrap();
        let tokens = Tokens::open(&path).unwrap();
        assert_eq!(tokens.refresh(), Ok(false));
        fs::write(&path, format!("read {ADMIN}\nread {APPEND}\n")).unwrap();
        assert_eq!(tokens.refresh(), Ok(true));
        assert_eq!(tokens.allows(READ.as_bytes(), Scope::Read), Verdict::Unknown);
        assert_eq!(tokens.allows(ADMIN.as_bytes(), Scope::Read), Verdict::Granted);
        for bad in ["", "write 0123456789abcdef", "read short", "read 0123456789 abcdef", "read"] {
            fs::write(&path, bad).unwrap();
            let error = tokens.refresh().expect_err(bad);
            assert!(error.contains("tokens"), "{error}");
            assert!(!error.contains("0123456789"), "no token is told: {error}");
            assert_eq!(tokens.allows(ADMIN.as_bytes(), Scope::Read), Verdict::Granted);
        }
        fs::remove_file(&path).unwrap();
        assert!(tokens.refresh().is_err());
        assert_eq!(tokens.allows(ADMIN.as_bytes(), Scope::Read), Verdict::Granted);
    }
}
