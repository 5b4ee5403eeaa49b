//! The processor time of the threads that compute for one session of ONNX Runtime.
//!
//! The runtime makes a session's threads while the session is made, and a thread has the name of the
//! one that made it until it gets another. So a session that is made on a thread with a name of its
//! own marks its threads. Where threads cannot be listed (other systems than Linux) there are none,
//! and only the calling thread's time counts.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const THREADS: &str = "/proc/self/task";

/// The threads of one session.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// Files whose first number is the thread's processor time in nanoseconds. They stay open: a text
    /// is embedded in milliseconds, and opening them twice for each would be felt.
    clocks: Vec<File>,
}

impl Pool {
    /// Runs `make`, and gives the threads that it left behind.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn of<T: Send>(make: impl FnOnce() -> T + Send) -> std::io::Result<(T, Self)> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Names have 15 characters at the most.
        let name = format!("embed-{}", NEXT.fetch_add(1, Ordering::Relaxed) % 1_000_000);
        let made = std::thread::scope(|scope| {
            let maker = std::thread::Builder::new()
                .name(name.clone())
                .spawn_scoped(scope, make)?;
            Ok::<_, std::io::Error>(maker.join())
        })?;
        match made {
            Ok(made) => Ok((made, Self::named(&name))),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn named(name: &str) -> Self {
        let Ok(threads) = std::fs::read_dir(THREADS) else {
            return Self::default();
        };
        let of_name = |folder: &PathBuf| {
            std::fs::read_to_string(folder.join("comm")).is_ok_and(|found| found.trim_end() == name)
        };
        let folders = threads.flatten().map(|thread| thread.path());
        Self {
            clocks: folders
                .filter(of_name)
                .filter_map(|folder| File::open(folder.join("schedstat")).ok())
                .collect(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.clocks.len()
    }

    /// Their processor time so far.
    pub fn time(&self) -> Duration {
        let of = |clock: &File| {
            let mut bytes = [0; 64];
            let length = clock.read_at(&mut bytes, 0).ok()?;
            let text = std::str::from_utf8(bytes.get(..length)?).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(self.clocks.iter().filter_map(of).sum())
    }
}
