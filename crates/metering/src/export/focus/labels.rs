//! Our words in those of the specification: services, units, categories.

use domain::cost::{CostKind, Meter, Service};

/// A service as the specification sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServiceLabel {
    pub(super) name: &'static str,
    /// One of the specification's categories.
    pub(super) category: &'static str,
    /// One of the category's own.
    pub(super) subcategory: &'static str,
}

const fn label(
    name: &'static str,
    category: &'static str,
    subcategory: &'static str,
) -> ServiceLabel {
    ServiceLabel {
        name,
        category,
        subcategory,
    }
}

const AI: &str = "AI and Machine Learning";
const GOVERNANCE: &str = "Management and Governance";

/// The service of a row; shared costs and idle machines have names of their own.
pub(super) fn service(service: Option<Service>, kind: CostKind) -> ServiceLabel {
    match (service, kind) {
        (Some(Service::Tenants), _) => {
            label("Tenants", "Identity", "Identity and Access Management")
        }
        (Some(Service::Ingest), _) => label("Ingest", "Analytics", "Data Processing"),
        (Some(Service::Trainer), _) => label("Trainer", AI, "Machine Learning"),
        (Some(Service::Router), _) => label("Router", AI, "Machine Learning"),
        (Some(Service::Costs), _) => label("Costs", GOVERNANCE, "Cost Management"),
        (Some(Service::Platform), _) => label("Platform", "Compute", "Other (Compute)"),
        (None, CostKind::Idle) => label("Idle machines", "Compute", "Other (Compute)"),
        (None, _) => label("Shared costs", "Other", "Other (Other)"),
    }
}

/// The unit a meter is priced in. The specification joins words by a hyphen and wants capitals.
pub(super) fn pricing_unit(meter: Meter) -> &'static str {
    match meter {
        Meter::Requests => "1000 Requests",
        Meter::ItemsIngested => "1000 Items",
        Meter::Retrains => "Retrains",
        Meter::EmbeddingTokens => "1000000 Tokens",
        Meter::StoredVectors => "1000000 Vector-Days",
        Meter::StoredBytes => "GiB-Days",
        Meter::ModelMemory => "GiB-Hours",
        Meter::TrainingPeakBytes | Meter::BytesIn | Meter::BytesOut => "GiB",
        Meter::EmbeddingCpu
        | Meter::SearchCpu
        | Meter::ModelCpu
        | Meter::RequestCpu
        | Meter::TrainingCpu
        | Meter::OverheadCpu => "CPU-Hours",
    }
}

/// The unit a meter counts in.
pub(super) fn consumed_unit(meter: Meter) -> &'static str {
    match meter {
        Meter::Requests => "Requests",
        Meter::ItemsIngested => "Items",
        Meter::Retrains => "Retrains",
        Meter::EmbeddingTokens => "Tokens",
        Meter::StoredVectors => "Vector-Days",
        Meter::StoredBytes => "B-Days",
        Meter::ModelMemory => "B-Seconds",
        Meter::TrainingPeakBytes | Meter::BytesIn | Meter::BytesOut => "B",
        Meter::EmbeddingCpu
        | Meter::SearchCpu
        | Meter::ModelCpu
        | Meter::RequestCpu
        | Meter::TrainingCpu
        | Meter::OverheadCpu => "Microseconds",
    }
}

/// A meter in words.
pub(super) fn meter(meter: Meter) -> &'static str {
    match meter {
        Meter::Requests => "Requests",
        Meter::ItemsIngested => "Items ingested",
        Meter::Retrains => "Retrains",
        Meter::EmbeddingTokens => "Embedding tokens",
        Meter::EmbeddingCpu => "CPU time of embedding",
        Meter::SearchCpu => "CPU time of search",
        Meter::ModelCpu => "CPU time of models",
        Meter::RequestCpu => "CPU time of requests",
        Meter::TrainingCpu => "CPU time of training",
        Meter::OverheadCpu => "CPU time of the platform",
        Meter::TrainingPeakBytes => "Peak memory of training",
        Meter::StoredVectors => "Stored vectors",
        Meter::StoredBytes => "Stored bytes",
        Meter::ModelMemory => "Memory of models",
        Meter::BytesIn => "Bytes received",
        Meter::BytesOut => "Bytes sent",
    }
}
