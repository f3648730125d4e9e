//! A dataset in an object store that speaks S3.
//!
//! Drafts are unnamed local files, so a killed export leaves none. An object appears whole once it
//! is complete, and a manifest by a conditional put, of which one of two at most succeeds.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::{
    GetResult, ObjectStore, ObjectStoreExt, PutMode, PutPayload, Result as StoreResult, RetryConfig,
};
use tokio::runtime::{Builder, Runtime};

use super::manifest::JSON_BYTES_MAX;
use super::place::{Draft, Place};
use crate::Error;

/// An object is sent in parts of so many bytes, if it is longer. A store takes 10,000 of them.
const PART_BYTES: u64 = 16 << 20;
/// A request is tried again so often, and for so long.
const RETRIES_MAX: usize = 6;
const RETRIES_FOR: Duration = Duration::from_secs(60);

/// An object store, and where in it the dataset is.
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// What errors call the dataset.
    url: String,
    runtime: Runtime,
}

impl Objects {
    /// Opens `s3://BUCKET/PREFIX`, by what the environment says (`AWS_ACCESS_KEY_ID` and so on).
    pub(super) fn open(url: &str) -> Result<Objects, Error> {
        let rest = url.strip_prefix("s3://").map(|rest| rest.trim_end_matches('/'));
        let (bucket, prefix) =
            rest.map_or(("", ""), |rest| rest.split_once('/').unwrap_or((rest, "")));
        if bucket.is_empty() {
            let reason = format!("{url} is no place for a dataset: s3://BUCKET/PREFIX is one");
            return Err(Error::Options { reason });
        }
        let unfit = |error: object_store::Error| Error::Options {
            reason: format!("{url} cannot be used: {error}"),
        };
        let prefix = Path::parse(prefix).map_err(|error| unfit(error.into()))?;
        // Whoever installed one before has the last word, and the library needs one that is named.
        rustls::crypto::ring::default_provider().install_default().ok();
        let retry = RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: RETRIES_FOR,
            ..Default::default()
        };
        let builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
        Objects::new(Arc::new(builder.build().map_err(unfit)?), prefix, url)
    }

    /// A dataset in a store that is given.
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        url: &str,
    ) -> Result<Objects, Error> {
        let url = url.trim_end_matches('/').to_owned();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::Options {
            reason: format!("requests to {url} cannot be made: {error}"),
        })?;
        Ok(Objects { store, prefix, url, runtime })
    }

    fn path(&self, name: &str) -> Path {
        let parts = self.prefix.parts();
        parts.chain(Path::from(name).parts()).collect()
    }

    fn failed(&self, action: &'static str, name: &str, error: object_store::Error) -> Error {
        Error::Io { action, path: self.shown(name), source: io::Error::other(error) }
    }

    fn get(&self, name: &str) -> Result<Option<GetResult>, Error> {
        match self.runtime.block_on(self.store.get(&self.path(name))) {
            Ok(result) => Ok(Some(result)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed("read", name, error)),
        }
    }
}

impl Place for Objects {
    fn shown(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("{}/{name}", self.url))
    }

    fn draft(&self, name: &str) -> Result<Draft, Error> {
        let file = tempfile::tempfile().map_err(Error::io("draft", &self.shown(name)))?;
        Ok(Draft::unnamed(file, self.shown(name)))
    }

    fn publish(&self, draft: Draft, name: &str) -> Result<(), Error> {
        let (file, path) = (draft.file(), self.path(name));
        let bytes = file.metadata().map_err(Error::io("read the draft of", draft.shown()))?.len();
        let sent = self.runtime.block_on(send(&*self.store, &path, file, bytes));
        sent.map_err(|error| self.failed("write", name, error))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<bool, Error> {
        let payload = PutPayload::from(bytes.to_vec());
        let path = self.path(name);
        let put = self.store.put_opts(&path, payload, PutMode::Create.into());
        match self.runtime.block_on(put) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(self.failed("write", name, error)),
        }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(result) = self.get(name)? else { return Ok(None) };
        if result.meta.size > JSON_BYTES_MAX {
            let reason = "it is longer than any manifest".to_owned();
            return Err(Error::Corrupt { path: self.shown(name), offset: 0, reason });
        }
        let bytes = self.runtime.block_on(result.bytes());
        bytes.map(|bytes| Some(bytes.to_vec())).map_err(|error| self.failed("read", name, error))
    }

    fn fetch(&self, name: &str) -> Result<Option<File>, Error> {
        let Some(result) = self.get(name)? else { return Ok(None) };
        let shown = self.shown(name);
        let mut file = tempfile::tempfile().map_err(Error::io("copy", &shown))?;
        let copied = self.runtime.block_on(async {
            let mut pieces = result.into_stream();
            while let Some(piece) = pieces.try_next().await? {
                file.write_all(&piece).map_err(local)?;
            }
            file.seek(SeekFrom::Start(0)).map_err(local)
        });
        copied.map_err(|error| self.failed("read", name, error))?;
        Ok(Some(file))
    }

    fn find(&self, dir: &str, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<String>, Error> {
        let prefix = self.prefix.parts().count();
        let name = |path: &Path| {
            let parts: Vec<String> =
                path.parts().skip(prefix).map(|part| part.as_ref().to_owned()).collect();
            parts.join("/")
        };
        let mut list = self.store.list(Some(&self.path(dir)));
        let found = self.runtime.block_on(async {
            let mut names = Vec::new();
            while let Some(meta) = list.try_next().await? {
                names.extend(Some(name(&meta.location)).filter(|name| wanted(name)));
            }
            Ok(names)
        });
        let mut names = found.map_err(|error| self.failed("list", dir, error))?;
        names.sort();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        match self.runtime.block_on(self.store.delete(&self.path(name))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("remove", name, error)),
        }
    }
}

/// Sends a file, in parts if it is long.
async fn send(store: &dyn ObjectStore, path: &Path, file: &File, bytes: u64) -> StoreResult<()> {
    let mut file = file;
    file.seek(SeekFrom::Start(0)).map_err(local)?;
    if bytes <= PART_BYTES {
        store.put(path, piece(file)?.into()).await?;
        return Ok(());
    }
    let mut upload = store.put_multipart(path).await?;
    let sent = async {
        let mut left = bytes;
        while left > 0 {
            let piece = piece(file)?;
            left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            upload.put_part(piece.into()).await?;
        }
        upload.complete().await
    };
    let sent: StoreResult<_> = sent.await;
    if let Err(error) = sent {
        // Its parts would be paid for as long as nobody looks.
        upload.abort().await.ok();
        return Err(error);
    }
    Ok(())
}

/// The next part of a file.
fn piece(file: &File) -> StoreResult<Vec<u8>> {
    let mut piece = Vec::new();
    file.take(PART_BYTES).read_to_end(&mut piece).map_err(local)?;
    if piece.is_empty() {
        return Err(local(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(piece)
}

fn local(error: io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "local draft", source: Box::new(error) }
}
