//! The caller's deadline: how long it still waits.

use std::time::Duration;

use tonic::metadata::MetadataMap;

/// Time that the caller gave the request when it was sent; none when it waits without end.
///
/// The header `grpc-timeout` as the gRPC protocol over HTTP/2 defines it: at most eight digits and a
/// unit. A header of another form is none.
#[must_use]
pub fn deadline(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_as_the_protocol_says() {
        let read = |text: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            deadline(&metadata)
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(
            read("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3600))
        );
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        for text in ["", "m", "1", "-1S", "1.5S", "123456789m", "10x", "\u{e4}"] {
            let mut metadata = MetadataMap::new();
            let Ok(value) = text.parse() else { continue };
            metadata.insert("grpc-timeout", value);
            assert_eq!(deadline(&metadata), None, "{text:?}");
        }
        assert_eq!(deadline(&MetadataMap::new()), None);
    }
}
