//! `IngestService`: experts, items, quarantine, datasets.

use domain::{
    ExpertId, FieldViolation, ItemContent, ItemId, NewExpert, Rejection, RejectionReason,
    ResourceName, RowIssue, TenantId, ValidationReport,
};

use crate::{from_timestamp, timestamp, v1};

impl From<domain::Expert> for v1::Expert {
    fn from(expert: domain::Expert) -> Self {
        Self {
            expert_id: expert.id.into(),
            display_name: expert.display_name,
            profile: expert.profile,
            inactive: !expert.active,
            unavailable: !expert.available,
            update_time: Some(timestamp(expert.updated_at)),
        }
    }
}

impl TryFrom<v1::Expert> for NewExpert {
    type Error = FieldViolation;

    fn try_from(expert: v1::Expert) -> Result<Self, FieldViolation> {
        let id = ExpertId::parse(expert.expert_id)
            .map_err(|error| FieldViolation::new("expert_id", error.to_string()))?;
        Self {
            id,
            display_name: expert.display_name,
            profile: expert.profile,
            active: !expert.inactive,
            available: !expert.unavailable,
        }
        .validate()
    }
}

impl v1::Item {
    /// The item as the tenant's callers see it.
    #[must_use]
    pub fn of(tenant: &TenantId, item: domain::Item) -> Self {
        let content = item.content;
        Self {
            name: ResourceName::Item(tenant.clone(), content.id.clone()).to_string(),
            item_id: content.id.into(),
            text: content.text,
            answer: content.answer.unwrap_or_default(),
            area: content.area.unwrap_or_default(),
            labels: content.labels,
            attributes: content.attributes.into_iter().collect(),
            experts: content.experts.into_iter().map(String::from).collect(),
            occur_time: Some(timestamp(content.occurred_at)),
            revision: item.revision,
            ingest_time: Some(timestamp(item.ingested_at)),
        }
    }
}

impl TryFrom<v1::Item> for ItemContent {
    type Error = RowIssue;

    /// Reads ids and times; bounds and texts are checked by [`ItemContent::validate`].
    fn try_from(item: v1::Item) -> Result<Self, RowIssue> {
        if item.item_id.is_empty() {
            return Err(RowIssue::missing("item_id"));
        }
        let id = ItemId::parse(item.item_id)
            .map_err(|e| RowIssue::new(RejectionReason::InvalidField, "item_id", e.to_string()))?;
        let experts = item
            .experts
            .into_iter()
            .map(ExpertId::parse)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| RowIssue::new(RejectionReason::InvalidField, "experts", e.to_string()))?;
        let at = item
            .occur_time
            .ok_or_else(|| RowIssue::missing("occur_time"))?;
        let occurred_at = from_timestamp("occur_time", &at)
            .map_err(|e| RowIssue::new(RejectionReason::InvalidTime, "occur_time", e.message))?;
        Ok(Self {
            id,
            text: item.text,
            answer: Some(item.answer),
            area: Some(item.area),
            labels: item.labels,
            attributes: item.attributes.into_iter().collect(),
            experts,
            occurred_at,
        })
    }
}

impl From<Rejection> for v1::Rejection {
    fn from(rejection: Rejection) -> Self {
        Self {
            sequence: rejection.sequence,
            request_id: rejection.batch,
            row: Some(v1::RejectedRow::of(
                rejection.line,
                rejection.item_id,
                rejection.issue,
            )),
            excerpt: rejection.excerpt,
            time: Some(timestamp(rejection.rejected_at)),
        }
    }
}

impl v1::RejectedRow {
    /// The rejection of the row at `line`.
    #[must_use]
    pub fn of(line: u64, item_id: String, issue: RowIssue) -> Self {
        Self {
            line,
            item_id,
            reason: issue.reason.code().to_owned(),
            field: issue.field,
            message: issue.message,
        }
    }
}

impl From<ValidationReport> for v1::ValidationReport {
    fn from(report: ValidationReport) -> Self {
        Self {
            items_without_expert: report.items_without_expert,
            unknown_experts: report.unknown_experts,
            thin_experts: report.thin_experts,
            repeated_texts: report.repeated_texts,
            top_expert_per_mille: report.top_expert_per_mille,
            warnings: report.warnings,
        }
    }
}

impl v1::Dataset {
    /// The dataset as the tenant's callers see it.
    #[must_use]
    pub fn of(tenant: &TenantId, dataset: domain::Dataset) -> Self {
        Self {
            name: ResourceName::Dataset(tenant.clone(), dataset.number).to_string(),
            watermark: dataset.watermark,
            content_hash: dataset.content_hash,
            items: dataset.items,
            experts: dataset.experts,
            first_time: dataset.first_at.map(timestamp),
            last_time: dataset.last_at.map(timestamp),
            validation: Some(dataset.report.into()),
            create_time: Some(timestamp(dataset.created_at)),
        }
    }
}
