//! `IngestService`: experts, items, quarantine, datasets.

use domain::{
    DuplicateGroup, ExpertId, ExpertPatch, FieldViolation, IdError, ItemContent, ItemId, Rejection,
    RejectionReason, ResourceName, RowIssue, TenantId, ValidationReport,
};

use crate::{from_timestamp, timestamp, v1};

impl From<domain::Expert> for v1::Expert {
    fn from(expert: domain::Expert) -> Self {
        Self {
            expert_id: expert.id.into(),
            display_name: Some(expert.display_name),
            profile: Some(expert.profile),
            inactive: Some(!expert.active),
            unavailable: Some(!expert.available),
            update_time: Some(timestamp(expert.updated_at)),
        }
    }
}

impl TryFrom<v1::Expert> for ExpertPatch {
    type Error = FieldViolation;

    /// What is not in the message is not said.
    fn try_from(expert: v1::Expert) -> Result<Self, FieldViolation> {
        let id = ExpertId::parse(expert.expert_id)
            .map_err(|error| FieldViolation::new("expert_id", error.to_string()))?;
        Self {
            id,
            display_name: expert.display_name,
            profile: expert.profile,
            active: expert.inactive.map(|inactive| !inactive),
            available: expert.unavailable.map(|unavailable| !unavailable),
        }
        .validate()
    }
}

/// The fields of an expert that a mask may name.
const EXPERT_FIELDS: [&str; 4] = ["display_name", "profile", "inactive", "unavailable"];

impl v1::Expert {
    /// The expert with what a mask names and nothing else: what the mask names and the message leaves
    /// out is cleared.
    ///
    /// # Errors
    /// The mask names something else.
    pub fn masked(self, mask: &[String]) -> Result<Self, FieldViolation> {
        let known = |path: &String| path == "*" || EXPERT_FIELDS.contains(&path.as_str());
        if let Some(other) = mask.iter().find(|path| !known(path)) {
            let message = format!(
                "{other:?} cannot be changed; {} can, or * for all",
                EXPERT_FIELDS.join(", ")
            );
            return Err(FieldViolation::new("update_mask", message));
        }
        let named = |field: &str| mask.iter().any(|path| path == "*" || path == field);
        Ok(Self {
            display_name: named("display_name").then(|| self.display_name.unwrap_or_default()),
            profile: named("profile").then(|| self.profile.unwrap_or_default()),
            inactive: named("inactive").then(|| self.inactive.unwrap_or_default()),
            unavailable: named("unavailable").then(|| self.unavailable.unwrap_or_default()),
            ..self
        })
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
        let id = ItemId::parse(item.item_id).map_err(|error| issue("item_id", &error))?;
        let experts = item
            .experts
            .into_iter()
            .map(ExpertId::parse)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| issue("experts", &error))?;
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

fn issue(field: &str, error: &IdError) -> RowIssue {
    let reason = match error {
        IdError::TooManyBytes { .. } => RejectionReason::TooLong,
        _ => RejectionReason::InvalidField,
    };
    RowIssue::new(reason, field, error.to_string())
}

impl From<domain::ExpertMerge> for v1::ExpertMerge {
    fn from(merge: domain::ExpertMerge) -> Self {
        use v1::expert_merge::State;
        let state = match merge.state {
            domain::MergeState::Running => State::Running,
            domain::MergeState::Done => State::Done,
            domain::MergeState::Undoing => State::Undoing,
            domain::MergeState::Undone => State::Undone,
        };
        Self {
            merge_id: merge.id,
            from_expert_id: merge.from.into(),
            into_expert_id: merge.into.into(),
            state: state.into(),
            items: merge.items,
            feedback: merge.feedback,
            renamed: merge.renamed,
            create_time: Some(timestamp(merge.created_at)),
        }
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
            duplicate_texts: report.duplicate_texts,
            duplicates: report.duplicates.into_iter().map(Into::into).collect(),
            contradictory_texts: report.contradictory_texts,
            contradictions: report.contradictions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<DuplicateGroup> for v1::DuplicateGroup {
    fn from(group: DuplicateGroup) -> Self {
        Self {
            item_ids: group.item_ids,
            items: group.items,
            differ_in: group.differ_in,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> v1::Expert {
        v1::Expert {
            expert_id: "Özlem Kaya".into(),
            unavailable: Some(true),
            ..Default::default()
        }
    }

    #[test]
    fn what_a_message_leaves_out_is_not_said() {
        let patch = ExpertPatch::try_from(away()).unwrap();
        assert_eq!(patch.available, Some(false));
        assert_eq!(
            (patch.display_name, patch.profile, patch.active),
            (None, None, None)
        );
    }

    #[test]
    fn a_mask_says_what_counts() {
        let masked = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|p| (*p).to_owned()).collect();
            away().masked(&paths)
        };
        let profile = masked(&["profile"]).unwrap();
        assert_eq!(profile.profile.as_deref(), Some(""), "cleared");
        assert_eq!(profile.unavailable, None, "not named");
        let all = masked(&["*"]).unwrap();
        assert_eq!((all.unavailable, all.inactive), (Some(true), Some(false)));
        let error = masked(&["expert_id"]).unwrap_err();
        assert_eq!(error.field, "update_mask");
    }
}
