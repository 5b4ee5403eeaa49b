//! Calls into the engine, behind a wall: its errors are wrapped, its panics become errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use qdrant_edge::OperationResult;

use crate::VectorError;
use crate::port::Result;

/// Calls the engine. It panics on broken files and full disks (`expect` in `flush`, for one), which
/// must not take the process or the owner's thread along.
///
/// What the call touched stays usable after a panic: the engine's locks do not poison, and a point
/// that was half written is written again by whoever got the error.
pub(super) fn guarded<T>(
    doing: &'static str,
    call: impl FnOnce() -> OperationResult<T>,
) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(VectorError::Engine {
            doing,
            source: Box::new(error),
        }),
        Err(panic) => Err(VectorError::Panicked {
            doing,
            detail: message(panic.as_ref()),
        }),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let failed: Result<()> = guarded("testing", || panic!("disk {}", "full"));
        let Err(VectorError::Panicked {
            doing: "testing",
            detail,
        }) = failed
        else {
            panic!("{failed:?}");
        };
        assert_eq!(detail, "disk full");
    }
}
