//! A classifier as bytes: a line of JSON that says everything but the weights, then the weights as they
//! are in memory (little-endian f32). JSON alone would be five times as large and slow to read.

use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

use super::linear_classifier::{ClassifierParts, LinearClassifier};
use crate::solvers::LogisticRegression;

/// Changes when the parts do: what has another form does not serve, and is trained anew.
const FORMAT: &str = "tenantry head 3";

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    features: usize,
    outputs: usize,
    parts: ClassifierParts,
}

impl LinearClassifier {
    /// The classifier as the artifact store keeps it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (features, outputs) = self.linear.weights.dim();
        let header = Header {
            format: FORMAT.to_owned(),
            features,
            outputs,
            parts: self.parts.clone(),
        };
        // The type holds nothing that JSON cannot say: classifiers are checked to be finite.
        let mut bytes = serde_json::to_vec(&header).unwrap_or_default();
        bytes.push(b'\n');
        let numbers = self.linear.weights.iter().chain(&self.linear.bias);
        bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
        bytes
    }

    /// Reads what [`LinearClassifier::to_bytes`] wrote; none for anything else.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let header: Header = serde_json::from_slice(&bytes[..end]).ok()?;
        let (chunks, rest) = bytes[end + 1..].as_chunks::<4>();
        let split = header.features.checked_mul(header.outputs)?;
        if header.format != FORMAT || !rest.is_empty() || chunks.len() != split + header.outputs {
            return None;
        }
        let numbers = |chunks: &[[u8; 4]]| -> Vec<f32> {
            chunks
                .iter()
                .map(|chunk| f32::from_le_bytes(*chunk))
                .collect()
        };
        let weights =
            Array2::from_shape_vec((header.features, header.outputs), numbers(&chunks[..split]));
        let linear = LogisticRegression {
            weights: weights.ok()?,
            bias: Array1::from(numbers(&chunks[split..])),
        };
        Self::new(header.parts, linear)
    }
}
