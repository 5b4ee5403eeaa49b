//! The file of token vectors: 8 bits a number, with a scale for each token.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | `tenantry-table-1` |
//! | 4, 4 | tokens, dimensions |
//! | 32 | fingerprint of the model that the vectors were distilled from |
//! | 4 a token | scale (f32) |
//! | 1 a number | value (i8), token by token |
//! | 32 | BLAKE3 of all before it |
//!
//! Numbers are little-endian.

const MAGIC: &[u8; 16] = b"tenantry-table-1";
const HASH: usize = 32;
const HEAD: usize = MAGIC.len() + 8 + HASH;
/// The largest value of 8 bits.
const FULL: f32 = 127.0;

/// Token vectors, and what they were distilled from.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenTable {
    source: [u8; HASH],
    dimensions: usize,
    scales: Vec<f32>,
    values: Vec<i8>,
}

impl TokenTable {
    /// Rounds token vectors to 8 bits: `rows` are `dimensions` numbers a token, and `source` the fingerprint
    /// of the model that they were distilled from. A row of zeros is a token that says nothing.
    ///
    /// # Panics
    /// When `rows` are not whole vectors.
    #[must_use]
    pub fn new(rows: &[f32], dimensions: usize, source: [u8; HASH]) -> Self {
        assert_eq!(rows.len() % dimensions, 0, "whole vectors");
        let mut scales = Vec::with_capacity(rows.len() / dimensions);
        let mut values = Vec::with_capacity(rows.len());
        for row in rows.chunks_exact(dimensions) {
            let most = row
                .iter()
                .fold(0.0_f32, |most, value| most.max(value.abs()));
            let scale = if most > 0.0 { most / FULL } else { 1.0 };
            scales.push(if most > 0.0 { scale } else { 0.0 });
            values.extend(row.iter().map(|value| (value / scale).round() as i8));
        }
        Self {
            source,
            dimensions,
            scales,
            values,
        }
    }

    /// Reads a file, and says in a few words what is wrong with it.
    ///
    /// # Errors
    /// It is not such a file, it was cut, or its bytes are not what was written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.len() < HEAD + HASH || !bytes.starts_with(MAGIC) {
            return Err("it is no table of token vectors");
        }
        let (content, sum) = bytes.split_at(bytes.len() - HASH);
        if blake3::hash(content).as_bytes() != sum {
            return Err("its sum is another: it was cut or changed");
        }
        let word = |at: usize| {
            let bytes = content[MAGIC.len() + at..].first_chunk().copied();
            u32::from_le_bytes(bytes.unwrap_or_default()) as usize
        };
        let (tokens, dimensions) = (word(0), word(4));
        let body = &content[HEAD..];
        if dimensions == 0 || tokens.checked_mul(dimensions + 4) != Some(body.len()) {
            return Err("its length is another than its head says");
        }
        let (scales, values) = body.split_at(tokens * 4);
        let scales = scales.as_chunks().0.iter();
        Ok(Self {
            source: source_in(content),
            dimensions,
            scales: scales.map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            values: values.iter().map(|byte| byte.cast_signed()).collect(),
        })
    }

    /// The file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend((self.tokens() as u32).to_le_bytes());
        bytes.extend((self.dimensions as u32).to_le_bytes());
        bytes.extend(self.source);
        bytes.extend(self.scales.iter().flat_map(|scale| scale.to_le_bytes()));
        bytes.extend(self.values.iter().map(|value| value.cast_unsigned()));
        let sum = blake3::hash(&bytes);
        bytes.extend(sum.as_bytes());
        bytes
    }

    /// How many tokens have a vector.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.scales.len()
    }

    /// How many numbers a vector has.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The fingerprint of the model that the vectors were distilled from.
    #[must_use]
    pub fn source(&self) -> [u8; HASH] {
        self.source
    }

    /// The sum of the vectors of `tokens`, scaled to norm 1; zeros where none of them says anything. A token
    /// beyond the table says nothing.
    #[must_use]
    pub fn embed(&self, tokens: &[u32]) -> Vec<f32> {
        let mut sum = vec![0.0_f32; self.dimensions];
        for token in tokens {
            let at = *token as usize;
            let Some(scale) = self.scales.get(at).filter(|scale| **scale > 0.0) else {
                continue;
            };
            let row = &self.values[at * self.dimensions..][..self.dimensions];
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += scale * f32::from(*value);
            }
        }
        let square: f32 = sum.iter().map(|value| value * value).sum();
        if square > 0.0 {
            let norm = square.sqrt();
            sum.iter_mut().for_each(|value| *value /= norm);
        }
        sum
    }
}

fn source_in(content: &[u8]) -> [u8; HASH] {
    let source = content[HEAD - HASH..].first_chunk().copied();
    source.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TokenTable {
        let rows = [0.5, -0.25, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, -2.0];
        TokenTable::new(&rows, 3, [7; HASH])
    }

    #[test]
    fn a_table_is_read_as_it_was_written() {
        let table = table();
        let read = TokenTable::from_bytes(&table.to_bytes()).unwrap();
        assert_eq!(read, table);
        assert_eq!((read.tokens(), read.dimensions()), (3, 3));
        assert_eq!(read.source(), [7; HASH]);
    }

    #[test]
    fn a_file_that_was_cut_or_changed_is_refused() {
        let bytes = table().to_bytes();
        for length in 0..bytes.len() {
            assert!(
                TokenTable::from_bytes(&bytes[..length]).is_err(),
                "{length}"
            );
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(TokenTable::from_bytes(&changed).is_err(), "{at}");
        }
    }

    #[test]
    fn a_head_that_claims_more_than_there_is_is_refused() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::MAX.to_le_bytes());
        bytes.extend(u32::MAX.to_le_bytes());
        bytes.extend([0; HASH]);
        let sum = blake3::hash(&bytes);
        bytes.extend(sum.as_bytes());
        assert!(TokenTable::from_bytes(&bytes).is_err());
    }

    #[test]
    fn a_text_is_the_direction_of_the_sum_of_its_tokens() {
        let table = table();
        let vector = table.embed(&[0, 1, 2, 9]);
        let expected = [1.5, 0.75, -2.0].map(|value: f32| value / 2.610_076_6);
        for (found, expected) in vector.iter().zip(expected) {
            assert!((found - expected).abs() < 0.01, "{vector:?}");
        }
        assert_eq!(table.embed(&[1, 9]), [0.0; 3], "nothing is known of it");
        assert_eq!(table.embed(&[]), [0.0; 3]);
    }
}
