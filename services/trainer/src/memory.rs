//! How much memory a training holds at the most.

/// The memory of the process before a training.
pub(crate) struct Memory {
    before: u64,
}

impl Memory {
    /// Begins to watch. On Linux the kernel keeps the highest since this moment; elsewhere nothing is
    /// known.
    pub fn now() -> Self {
        // 5 sets the highest back to what is held now.
        let _unknown_elsewhere = std::fs::write("/proc/self/clear_refs", "5");
        Self {
            before: status("VmRSS:").unwrap_or(0),
        }
    }

    /// Bytes held at the most beyond those before; 0 when that is not known. It is the whole
    /// process's: what others took meanwhile is in it.
    pub fn peak(&self) -> u64 {
        status("VmHWM:").unwrap_or(0).saturating_sub(self.before)
    }
}

/// A number of `/proc/self/status`, in bytes.
fn status(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1_024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_for_a_moment_is_known_after_it() {
        let memory = Memory::now();
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        drop(held);
        assert!(memory.peak() >= 60 << 20, "{}", memory.peak());
    }
}
