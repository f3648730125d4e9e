//! A store whose calls fail, one after the other, before or after they did what they were to do.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result as StoreResult,
};

use super::super::objects::Objects;
use super::*;

#[derive(Debug)]
struct Faulty {
    inner: Arc<InMemory>,
    /// The put of this number fails, and all that follow.
    puts_left: AtomicI64,
    /// Whether it is carried out all the same, and only its answer is lost.
    carried_out: bool,
}

impl fmt::Display for Faulty {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("faulty")
    }
}

impl Faulty {
    fn lost() -> StoreError {
        StoreError::Generic { store: "faulty", source: "the line is cut".into() }
    }
}

#[async_trait::async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        to: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        match self.puts_left.fetch_sub(1, Ordering::Relaxed) {
            1.. => self.inner.put_opts(to, payload, options).await,
            0 if self.carried_out => {
                self.inner.put_opts(to, payload, options).await?;
                Err(Faulty::lost())
            }
            _ => Err(Faulty::lost()),
        }
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(to, options).await
    }

    async fn get_opts(&self, from: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.inner.get_opts(from, options).await
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, StoreResult<Path>>,
    ) -> BoxStream<'static, StoreResult<Path>> {
        // Whoever is cut off cannot clean up either.
        if self.puts_left.load(Ordering::Relaxed) < 0 {
            return Box::pin(futures_util::stream::once(async { Err(Faulty::lost()) }));
        }
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn dataset(store: Arc<dyn ObjectStore>) -> Dataset {
    let objects = Objects::new(store, Path::from("some/prefix"), "s3://bucket/some/prefix");
    Dataset { place: Box::new(objects.unwrap()) }
}

#[test]
fn whichever_put_fails_the_dataset_is_whole_and_the_next_export_completes_it() {
    let scene = Scene::new(120);
    for carried_out in [false, true] {
        let mut ends = Vec::new();
        for puts in 0.. {
            let inner = Arc::new(InMemory::new());
            let faulty =
                Faulty { inner: Arc::clone(&inner), puts_left: AtomicI64::new(puts), carried_out };
            let failed = exported(&dataset(Arc::new(faulty)), &scene.store, true);
            let sound = dataset(inner);
            ends.push(is_whole_prefix(&sound, Partition::WHOLE));
            exported(&sound, &scene.store, true).unwrap();
            assert_eq!(is_whole_prefix(&sound, Partition::WHOLE), 120);
            let found = sound.check(&mut |_| true).unwrap();
            assert_eq!((found.unnamed_files, &*found.problems), (0, &[][..]), "put {puts}");
            match failed {
                Ok(done) => {
                    assert_eq!(done.rows, 120);
                    break;
                }
                Err(error) => assert!(error.in_full().contains("the line is cut"), "{error:?}"),
            }
        }
        ends.dedup();
        assert_eq!(ends, [0, 50, 100, 120], "a manifest makes an increment, and nothing else");
    }
}

#[test]
fn of_two_exports_of_the_same_events_one_is_overtaken() {
    let scene = Scene::new(120);
    let inner = Arc::new(InMemory::new());
    let (slow, quick) = (dataset(Arc::<InMemory>::clone(&inner)), dataset(inner));
    let mut first = true;
    let said = slow.export(&scene.store, &options(true, 50), &mut |_, _| {
        if std::mem::take(&mut first) {
            exported(&quick, &scene.store, true).unwrap();
        }
        true
    });
    let said = said.unwrap_err().to_string();
    assert!(said.contains("was quicker"), "{said}");
    assert_eq!(is_whole_prefix(&quick, Partition::WHOLE), 120);
    assert_eq!(quick.check(&mut |_| true).unwrap().unnamed_files, 0);
}

#[test]
fn a_long_file_is_sent_in_parts() {
    let objects =
        Objects::new(Arc::new(InMemory::new()), Path::from("p"), "s3://bucket/p").unwrap();
    let bytes: Vec<u8> = (0..40_000_000_u32).map(|at| (at >> 8) as u8).collect();
    let draft = objects.draft("events/long").unwrap();
    std::io::Write::write_all(&mut draft.file(), &bytes).unwrap();
    objects.publish(draft, "events/long").unwrap();
    let mut back = Vec::new();
    let mut file = objects.fetch("events/long").unwrap().unwrap();
    std::io::Read::read_to_end(&mut file, &mut back).unwrap();
    assert!(back == bytes);
    assert_eq!(objects.list("events/").unwrap(), ["events/long"]);
}

#[test]
fn a_place_that_is_none_is_refused() {
    for url in ["s3://", "s3:///prefix", "gs://bucket/prefix", "s3://bucket/a//b"] {
        assert!(matches!(Dataset::open(url), Err(Error::Options { .. })), "{url}");
    }
}
