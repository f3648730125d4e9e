//! A store whose calls fail, one after the other, before or after they did what they were to do.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
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

/// A store that is asked to put an object where there is none, and does not do it well.
#[derive(Debug)]
struct Careless {
    inner: Arc<InMemory>,
    /// Whether it refuses a manifest and carries the put out all the same, later: what S3 does with
    /// a second try while the first is under way. Else it puts one object in place of another.
    late: bool,
    kept: Mutex<Vec<(Path, PutPayload)>>,
}

impl fmt::Display for Careless {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("careless")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Careless {
    async fn put_opts(
        &self,
        to: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> StoreResult<PutResult> {
        let is_of_one_try = matches!(options.mode, PutMode::Create) && self.late;
        if is_of_one_try && to.as_ref().contains("/manifest/") {
            self.kept.lock().unwrap().push((to.clone(), payload));
            let source = "a conflicting operation is in progress".into();
            return Err(StoreError::AlreadyExists { path: to.to_string(), source });
        }
        let mode = if self.late { options.mode } else { PutMode::Overwrite };
        self.inner.put_opts(to, payload, PutOptions { mode, ..options }).await
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

fn careless(late: bool) -> (Arc<InMemory>, Arc<Careless>) {
    let inner = Arc::new(InMemory::new());
    let kept = Mutex::default();
    (Arc::clone(&inner), Arc::new(Careless { inner, late, kept }))
}

#[test]
fn a_manifest_that_comes_late_has_its_files() {
    let scene = Scene::new(120);
    let (inner, store) = careless(true);
    let said = exported(&dataset(Arc::<Careless>::clone(&store)), &scene.store, true);
    let said = said.unwrap_err().to_string();
    assert!(said.contains("is not known"), "{said}");
    let objects =
        Objects::new(Arc::<InMemory>::clone(&inner), Path::from("some/prefix"), "s3://x").unwrap();
    for (path, payload) in store.kept.lock().unwrap().drain(..) {
        let name = path.as_ref().strip_prefix("some/prefix/").unwrap().to_owned();
        let bytes: Vec<u8> = payload.iter().flat_map(|piece| piece.to_vec()).collect();
        assert!(objects.create(&name, &bytes).unwrap());
    }
    let sound = dataset(inner);
    assert_eq!(is_whole_prefix(&sound, Partition::WHOLE), 50);
    exported(&sound, &scene.store, true).unwrap();
    assert_eq!(is_whole_prefix(&sound, Partition::WHOLE), 120);
    let found = sound.check(&mut |_| true).unwrap();
    assert_eq!((found.unnamed_files, found.problems), (0, vec![]));
}

#[test]
fn a_store_that_ignores_conditions_is_refused() {
    let scene = Scene::new(120);
    let (inner, store) = careless(false);
    // Each time, and whoever made what is there.
    for _ in 0..2 {
        let refused = exported(&dataset(Arc::<Careless>::clone(&store)), &scene.store, true);
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("If-None-Match"), "{said}");
    }
    assert_eq!(manifests(&dataset(inner), Partition::WHOLE), []);
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
