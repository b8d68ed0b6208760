//! Keys in a file, which is read again when it changes.

use super::Alg;
use super::key::{Key, KeyError};
use super::set::restricted;
use parking_lot::Mutex;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The largest file, bytes.
const BYTES_MAX: u64 = 1 << 20;
/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What changes when a file does, also when another one takes its name.
type Stamp = Option<[i64; 4]>;

pub(crate) struct KeyFile {
    path: PathBuf,
    kid: Option<String>,
    algs: Vec<Alg>,
    now: Mutex<(Stamp, Arc<[Key]>)>,
}

impl KeyFile {
    pub(crate) fn read(path: PathBuf, kid: Option<String>, algs: Vec<Alg>) -> Result<KeyFile, KeyError> {
        let file = KeyFile { path, kid, algs, now: Mutex::new((None, [].into())) };
        let now = (file.stamp(), file.load()?);
        *file.now.lock() = now;
        Ok(file)
    }

    pub(crate) fn keys(&self) -> Arc<[Key]> {
        self.now.lock().1.clone()
    }

    /// Looks at the file for ever. What can't be used leaves the keys as they are.
    pub(crate) async fn keep(self: Arc<KeyFile>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let file = self.clone();
            match tokio::task::spawn_blocking(move || file.look()).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => {
                    tracing::info!(file = %self.path.display(), "new keys of tokens are in force")
                }
                Ok(Err(error)) => tracing::error!(%error, "the keys of tokens stay as they are"),
                Err(_) => return,
            }
        }
    }

    /// Reads the file if it has changed.
    fn look(&self) -> Result<bool, KeyError> {
        let stamp = self.stamp();
        if stamp == self.now.lock().0 {
            return Ok(false);
        }
        let keys = self.load();
        let mut now = self.now.lock();
        // A file that is only half written fails here, and is read once more when the rest comes.
        now.0 = stamp;
        now.1 = keys?;
        Ok(true)
    }

    fn stamp(&self) -> Stamp {
        let about = std::fs::metadata(&self.path).ok()?;
        Some([about.mtime(), about.mtime_nsec(), about.ino() as i64, about.len() as i64])
    }

    fn load(&self) -> Result<Arc<[Key]>, KeyError> {
        let wrong = |problem: String| KeyError::Form(format!("{}: {problem}", self.path.display()));
        let mut bytes = vec![];
        let read = File::open(&self.path).and_then(|f| f.take(BYTES_MAX + 1).read_to_end(&mut bytes));
        read.map_err(|e| wrong(format!("cannot be read: {e}")))?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(wrong(format!("has more than {BYTES_MAX} bytes")));
        }
        let keys = super::pem::read(&bytes).map_err(|e| wrong(e.to_string()))?;
        let kid = self.kid.as_ref();
        let keys = restricted(keys.into_iter().map(|key| key.with_kid(kid)).collect(), &self.algs);
        if keys.is_empty() { Err(wrong(KeyError::NoAlg.to_string())) } else { Ok(keys) }
    }
}
