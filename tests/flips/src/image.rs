//! A directory in memory: copied, and put back with one bit flipped.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Zeros behind a file's last byte that is not zero: so many are flipped too, the rest is left
/// out, for every store alike. Preallocated files would be nothing but such flips.
pub const ZEROS_KEPT: usize = 64;

/// One file: its bytes up to the last that is not zero, and its length.
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
    len: u64,
}

/// All files below a directory, by path.
pub struct Image {
    dirs: Vec<PathBuf>,
    files: Vec<File>,
}

/// A bit of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flip {
    /// Number of the file, in the order of paths.
    pub file: usize,
    /// Byte in it.
    pub offset: usize,
    /// Bit in that, 0 to 7.
    pub bit: u8,
}

impl Image {
    /// Reads everything below `dir`.
    pub fn load(dir: &Path) -> io::Result<Image> {
        let mut image = Image { dirs: Vec::new(), files: Vec::new() };
        image.load_below(dir, Path::new(""))?;
        image.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(image)
    }

    fn load_below(&mut self, root: &Path, below: &Path) -> io::Result<()> {
        for entry in fs::read_dir(root.join(below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.dirs.push(path.clone());
                self.load_below(root, &path)?;
                continue;
            }
            let mut bytes = fs::read(entry.path())?;
            let len = bytes.len() as u64;
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            bytes.shrink_to_fit();
            self.files.push(File { path, bytes, len });
        }
        Ok(())
    }

    /// Puts everything into `dir`, emptied before, with one bit flipped or none.
    pub fn restore(&self, dir: &Path, flip: Option<Flip>) -> io::Result<()> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        fs::create_dir_all(dir)?;
        for below in &self.dirs {
            fs::create_dir(dir.join(below))?;
        }
        for (number, file) in self.files.iter().enumerate() {
            let mut out = fs::File::create(dir.join(&file.path))?;
            match flip.filter(|flip| flip.file == number) {
                Some(flip) => {
                    let mut bytes = file.bytes.clone();
                    bytes.resize(bytes.len().max(flip.offset + 1), 0);
                    bytes[flip.offset] ^= 1 << flip.bit;
                    out.write_all(&bytes)?;
                }
                None => out.write_all(&file.bytes)?,
            }
            out.set_len(file.len)?;
        }
        Ok(())
    }

    /// The bits to flip: all, or, of more than `most`, every n-th, n odd so that all eight
    /// places of a byte have their turn.
    pub fn flips(&self, most: usize) -> Vec<Flip> {
        let bits = self.bits();
        let stride = bits.div_ceil(most).max(1) | 1;
        let bytes = self
            .files
            .iter()
            .enumerate()
            .flat_map(|(file, it)| (0..it.considered()).map(move |offset| (file, offset)));
        let all =
            bytes.flat_map(|(file, offset)| (0..8).map(move |bit| Flip { file, offset, bit }));
        all.step_by(if bits > most { stride } else { 1 }).collect()
    }

    /// How many bits there are, but for the zeros left out.
    pub fn bits(&self) -> usize {
        self.files.iter().map(|file| file.considered() * 8).sum()
    }

    /// How many bytes at the ends of files are zeros that are left out.
    pub fn zeros_left_out(&self) -> u64 {
        self.files.iter().map(|file| file.len - file.considered() as u64).sum()
    }

    /// The files' paths, in order.
    pub fn paths(&self) -> Vec<String> {
        self.files.iter().map(|file| file.path.to_string_lossy().into_owned()).collect()
    }
}

impl File {
    fn considered(&self) -> usize {
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        len.min(self.bytes.len() + ZEROS_KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_comes_back_with_just_the_one_bit_flipped() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("below")).expect("created");
        fs::write(from.join("a"), [1, 2, 3]).expect("written");
        fs::write(from.join("below/b"), [&[7; 9][..], &[0; 1000]].concat()).expect("written");
        let image = Image::load(&from).expect("read");
        assert_eq!(image.paths(), ["a", "below/b"]);
        assert_eq!((image.bits(), image.zeros_left_out()), ((3 + 9 + 64) * 8, 1000 - 64));

        let flips = image.flips(usize::MAX);
        assert_eq!(flips.len(), image.bits());
        for flip in [None].into_iter().chain(flips.iter().copied().map(Some)) {
            image.restore(&to, flip).expect("put back");
            let mut want = [fs::read(from.join("a")), fs::read(from.join("below/b"))]
                .map(|bytes| bytes.expect("read"));
            if let Some(flip) = flip {
                want[flip.file][flip.offset] ^= 1 << flip.bit;
            }
            let got = [fs::read(to.join("a")), fs::read(to.join("below/b"))];
            assert_eq!(got.map(|bytes| bytes.expect("read")), want);
        }
        let few = image.flips(100);
        assert!(few.len() <= 100 && (0..8).all(|bit| few.iter().any(|flip| flip.bit == bit)));
    }
}
