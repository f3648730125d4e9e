//! Where a dataset lies: a directory, or whatever else can do the same.
//!
//! What is published is there whole or not at all, and stays there once [`Place::create`] has made
//! the manifest that names it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::manifest::JSON_BYTES_MAX;
use crate::Error;

/// Where files are that nobody is to see yet.
pub(super) const DRAFTS: &str = "drafts/";

/// A file that is not published, and gone when dropped.
pub(super) struct Draft {
    file: File,
    /// None for one without a name, which the system takes back by itself.
    path: Option<TempPath>,
    shown: PathBuf,
}

impl Draft {
    /// One without a name, which errors call by this path.
    #[cfg(feature = "s3")]
    pub(super) fn unnamed(file: File, shown: PathBuf) -> Draft {
        Draft { file, path: None, shown }
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// What errors call it.
    pub(super) fn shown(&self) -> &Path {
        &self.shown
    }
}

/// Where a dataset lies. Names have slashes and count from the dataset's root.
pub(super) trait Place {
    /// What errors call it.
    fn shown(&self, name: &str) -> PathBuf;

    /// A file to write to that will have this name once it is published.
    fn draft(&self, name: &str) -> Result<Draft, Error>;

    /// Makes a draft a file of the dataset, safe from power cuts.
    fn publish(&self, draft: Draft, name: &str) -> Result<(), Error>;

    /// Makes a small file, safe from power cuts; false if there is one of this name already.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, Error>;

    /// Reads a small file, if there is one.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;

    /// A file to read, if there is one.
    fn fetch(&self, name: &str) -> Result<Option<File>, Error>;

    /// The names of all files below a directory that are wanted, in order.
    fn find(&self, dir: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<String>, Error>;

    /// The names of all files below a directory, in order.
    fn list(&self, dir: &str) -> Result<Vec<String>, Error> {
        self.find(dir, &|_| true)
    }

    /// Removes a file; it is no failure if there is none.
    fn remove(&self, name: &str) -> Result<(), Error>;
}

/// A directory of a local file system.
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn draft_path(&self, name: &str) -> PathBuf {
        self.0.join(DRAFTS).join(name.rsplit('/').next().unwrap_or(name))
    }

    /// Makes the directories safe from power cuts that another export made, and may have been
    /// killed before it did: what a manifest names must not be lost below it.
    fn settle(&self) -> Result<(), Error> {
        for dir in [self.path("events"), self.path("manifest")] {
            if dir.exists() {
                sync_dir(&dir)?;
            }
        }
        sync_dir(&self.0)?;
        match sync_parent(&self.0) {
            // No export made anything in a directory that may not be read.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        }
    }
}

impl Place for Directory {
    fn shown(&self, name: &str) -> PathBuf {
        self.path(name)
    }

    fn draft(&self, name: &str) -> Result<Draft, Error> {
        let path = self.draft_path(name);
        make_parents(&path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(Error::io("create", &path))?;
        let temporary = TempPath::try_from_path(&path).map_err(Error::io("name", &path))?;
        Ok(Draft { file, path: Some(temporary), shown: path })
    }

    fn publish(&self, draft: Draft, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        draft.file.sync_all().map_err(Error::io("sync", &draft.shown))?;
        make_parents(&path)?;
        if let Some(temporary) = draft.path {
            let renamed = temporary.persist(&path).map_err(|error| error.error);
            renamed.map_err(Error::io("rename a draft to", &path))?;
        }
        sync_parent(&path)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, Error> {
        let path = self.path(name);
        // Whoever else makes it at the same time has a draft of another name.
        let drafts = self.path(DRAFTS);
        make_parents(&drafts.join("any"))?;
        let mut builder = tempfile::Builder::new();
        let draft = builder.prefix(&json_draft_prefix(name)).suffix(".json").tempfile_in(drafts);
        let mut draft = draft.map_err(Error::io("create a draft of", &path))?;
        let written = draft.write_all(bytes).and_then(|()| draft.as_file().sync_all());
        written.map_err(Error::io("write a draft of", &path))?;
        make_parents(&path)?;
        self.settle()?;
        // Unlike a rename, a link puts nothing in place of what is there.
        match fs::hard_link(draft.path(), &path) {
            // Whoever was quicker may have tidied up already.
            Err(_) if path.exists() => Ok(false),
            linked => {
                linked.map_err(Error::io("link a draft to", &path))?;
                sync_parent(&path)?;
                Ok(true)
            }
        }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(file) = self.fetch(name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = file.take(JSON_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(Error::io("read", &self.path(name)))?;
        Ok(Some(bytes))
    }

    fn fetch(&self, name: &str) -> Result<Option<File>, Error> {
        let path = self.path(name);
        // To open a pipe waits for whoever writes to it.
        let open = || match fs::metadata(&path)?.is_file() {
            true => File::open(&path),
            false => Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file")),
        };
        present(open()).map_err(Error::io("open", &path))
    }

    fn find(&self, dir: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        let mut dirs = vec![dir.to_owned()];
        while let Some(dir) = dirs.pop() {
            let path = self.path(&dir);
            let entries = present(fs::read_dir(&path)).map_err(Error::io("list", &path))?;
            for entry in entries.into_iter().flatten() {
                let entry = entry.map_err(Error::io("list", &path))?;
                // No file of a dataset has a name that is not ASCII.
                let Ok(name) = entry.file_name().into_string() else { continue };
                let kind = entry.file_type().map_err(Error::io("look at", &entry.path()))?;
                let name = format!("{dir}{name}");
                if kind.is_dir() {
                    dirs.push(name + "/");
                } else if wanted(&name) {
                    names.push(name);
                }
            }
        }
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        present(fs::remove_file(&path)).map_err(Error::io("remove", &path))?;
        Ok(())
    }
}

/// How the names of drafts of a small file begin: `0-of-1-FIRST-` for a manifest.
fn json_draft_prefix(name: &str) -> String {
    let name = name.strip_prefix("manifest/").unwrap_or(name);
    name.trim_end_matches(".json").replace('/', "-") + "-"
}

/// Nothing, if there is no such file.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the directories that a file is to be in, each safe from power cuts.
fn make_parents(path: &Path) -> Result<(), Error> {
    let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) else { return Ok(()) };
    if dir.is_dir() {
        return Ok(());
    }
    make_parents(dir)?;
    match DirBuilder::new().mode(0o700).create(dir) {
        // Another export may have made it meanwhile.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        made => {
            made.map_err(Error::io("create the directory", dir))?;
            sync_parent(dir)
        }
    }
}

fn sync_parent(path: &Path) -> Result<(), Error> {
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

fn sync_dir(dir: &Path) -> Result<(), Error> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let synced = File::open(dir).and_then(|file| file.sync_all());
    synced.map_err(Error::io("sync the directory", dir))
}
