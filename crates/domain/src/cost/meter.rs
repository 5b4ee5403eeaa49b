//! What is metered, where, and in which units.

use serde::{Deserialize, Serialize};

/// The part of the platform that did the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Service {
    /// Tenants, keys, the audit trail.
    Tenants,
    /// Items and their index.
    Ingest,
    /// Training, evaluation, promotion.
    Trainer,
    /// Answers to requests.
    Router,
    /// Cost reports themselves.
    Costs,
    /// What belongs to no service: the process, its upkeep.
    Platform,
}

impl Service {
    /// All services.
    pub const ALL: [Self; 6] = [
        Self::Tenants,
        Self::Ingest,
        Self::Trainer,
        Self::Router,
        Self::Costs,
        Self::Platform,
    ];

    /// The stable text of the service, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenants => "tenants",
            Self::Ingest => "ingest",
            Self::Trainer => "trainer",
            Self::Router => "router",
            Self::Costs => "costs",
            Self::Platform => "platform",
        }
    }

    /// The service that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// How the usage of a day becomes one quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeterKind {
    /// The sum of what was recorded.
    Sum,
    /// The highest that was recorded; over several days, the sum of each day's highest.
    HighestOfDay,
}

/// What one billed unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Billed {
    /// Base units in one billed unit; never 0.
    pub base_units: u64,
    /// The billed unit in words, for example `1,000 requests`.
    pub name: &'static str,
}

/// One kind of consumption. Quantities are whole numbers of its base unit, [`Meter::unit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Requests answered; a batch counts each of its questions.
    Requests,
    /// Items accepted.
    ItemsIngested,
    /// Trainings that ran.
    Retrains,
    /// Tokens embedded.
    EmbeddingTokens,
    /// CPU time of embedding, in microseconds.
    EmbeddingCpu,
    /// CPU time of searching vectors, in microseconds.
    SearchCpu,
    /// CPU time of scoring by models, in microseconds.
    ModelCpu,
    /// The remaining CPU time of requests, in microseconds.
    RequestCpu,
    /// CPU time of training, in microseconds.
    TrainingCpu,
    /// CPU time that no tenant caused, in microseconds.
    OverheadCpu,
    /// Most memory that training held at once, in bytes. Not priced.
    TrainingPeakBytes,
    /// Vectors held, highest of each day.
    StoredVectors,
    /// Bytes stored, highest of each day.
    StoredBytes,
    /// Bytes of resident models times the seconds they were resident.
    ModelMemory,
    /// Bytes received.
    BytesIn,
    /// Bytes sent.
    BytesOut,
}

const GIB: u64 = 1 << 30;

impl Meter {
    /// All meters.
    pub const ALL: [Self; 16] = [
        Self::Requests,
        Self::ItemsIngested,
        Self::Retrains,
        Self::EmbeddingTokens,
        Self::EmbeddingCpu,
        Self::SearchCpu,
        Self::ModelCpu,
        Self::RequestCpu,
        Self::TrainingCpu,
        Self::OverheadCpu,
        Self::TrainingPeakBytes,
        Self::StoredVectors,
        Self::StoredBytes,
        Self::ModelMemory,
        Self::BytesIn,
        Self::BytesOut,
    ];

    /// The stable text of the meter, as stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::ItemsIngested => "items_ingested",
            Self::Retrains => "retrains",
            Self::EmbeddingTokens => "embedding_tokens",
            Self::EmbeddingCpu => "embedding_cpu",
            Self::SearchCpu => "search_cpu",
            Self::ModelCpu => "model_cpu",
            Self::RequestCpu => "request_cpu",
            Self::TrainingCpu => "training_cpu",
            Self::OverheadCpu => "overhead_cpu",
            Self::TrainingPeakBytes => "training_peak_bytes",
            Self::StoredVectors => "stored_vectors",
            Self::StoredBytes => "stored_bytes",
            Self::ModelMemory => "model_memory",
            Self::BytesIn => "bytes_in",
            Self::BytesOut => "bytes_out",
        }
    }

    /// The meter that `text` names.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }

    /// How the usage of a day becomes one quantity.
    #[must_use]
    pub fn kind(self) -> MeterKind {
        match self {
            Self::TrainingPeakBytes | Self::StoredVectors | Self::StoredBytes => {
                MeterKind::HighestOfDay
            }
            Self::Requests
            | Self::ItemsIngested
            | Self::Retrains
            | Self::EmbeddingTokens
            | Self::EmbeddingCpu
            | Self::SearchCpu
            | Self::ModelCpu
            | Self::RequestCpu
            | Self::TrainingCpu
            | Self::OverheadCpu
            | Self::ModelMemory
            | Self::BytesIn
            | Self::BytesOut => MeterKind::Sum,
        }
    }

    /// The base unit of quantities, in words.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::ItemsIngested => "items",
            Self::Retrains => "retrains",
            Self::EmbeddingTokens => "tokens",
            Self::StoredVectors => "vector-days",
            Self::StoredBytes => "byte-days",
            Self::ModelMemory => "byte-seconds",
            Self::TrainingPeakBytes | Self::BytesIn | Self::BytesOut => "bytes",
            Self::EmbeddingCpu
            | Self::SearchCpu
            | Self::ModelCpu
            | Self::RequestCpu
            | Self::TrainingCpu
            | Self::OverheadCpu => "microseconds",
        }
    }

    /// What the price is for.
    #[must_use]
    pub fn billed_per(self) -> Billed {
        let (base_units, name) = match self {
            Self::Requests => (1_000, "1,000 requests"),
            Self::ItemsIngested => (1_000, "1,000 items"),
            Self::Retrains => (1, "retrain"),
            Self::EmbeddingTokens => (1_000_000, "1,000,000 tokens"),
            Self::StoredVectors => (1_000_000, "1,000,000 vector-days"),
            Self::StoredBytes => (GIB, "GiB-day"),
            Self::ModelMemory => (GIB * 3_600, "GiB-hour"),
            Self::TrainingPeakBytes | Self::BytesIn | Self::BytesOut => (GIB, "GiB"),
            Self::EmbeddingCpu
            | Self::SearchCpu
            | Self::ModelCpu
            | Self::RequestCpu
            | Self::TrainingCpu
            | Self::OverheadCpu => (3_600_000_000, "CPU-hour"),
        };
        Billed { base_units, name }
    }

    /// Whether it measures CPU time: those meters share one price, that of a CPU-hour.
    #[must_use]
    pub fn is_cpu(self) -> bool {
        self.unit() == "microseconds"
    }

    /// Whether a price book may have a price for it; the others are shown and cost nothing.
    #[must_use]
    pub fn is_priced(self) -> bool {
        self != Self::TrainingPeakBytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_serialized() {
        for meter in Meter::ALL {
            assert_eq!(Meter::parse(meter.as_str()), Some(meter));
            let json = serde_json::to_value(meter).unwrap();
            assert_eq!(json.as_str(), Some(meter.as_str()));
            assert!(meter.billed_per().base_units > 0);
        }
        for service in Service::ALL {
            assert_eq!(Service::parse(service.as_str()), Some(service));
            let json = serde_json::to_value(service).unwrap();
            assert_eq!(json.as_str(), Some(service.as_str()));
        }
        assert_eq!(Meter::parse("Requests"), None);
        assert_eq!(Service::parse(""), None);
    }

    #[test]
    fn six_meters_are_cpu_time() {
        let cpu = Meter::ALL.into_iter().filter(|meter| meter.is_cpu());
        assert_eq!(cpu.count(), 6);
        assert_eq!(
            Meter::SearchCpu.billed_per().base_units,
            60 * 60 * 1_000_000
        );
        assert_eq!(
            Meter::ModelMemory.billed_per().base_units,
            3_865_470_566_400
        );
        assert!(!Meter::TrainingPeakBytes.is_priced());
    }
}
