//! Messages to commands: the only place where requests are validated.

use std::time::Duration;

use api::v1;
use domain::{
    ITEM_TEXT_MAX_CHARS, Item, ItemId, ModelName, ResourceName, TaskId, TenantId, clean_name,
    clean_text, has_usable_text,
};
use learning::Baseline;
use server::ServiceError;

const DEFAULT_TOP_K: usize = 5;
const MAX_TOP_K: usize = 100;
const MAX_KEY_BYTES: usize = 256;

/// A question for experts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recommend {
    pub text: String,
    pub area: Option<String>,
    pub top_k: usize,
    pub with: With,
    /// What makes a canary sticky; the text itself when the caller names nothing.
    pub routing_key: Option<String>,
    /// How long the caller waits, where it says so.
    pub deadline: Option<Duration>,
}

/// What is to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum With {
    /// The routed model.
    Route,
    /// This model, to compare.
    Model(ModelName),
    /// This baseline, to compare.
    Baseline(Baseline),
}

impl Recommend {
    pub(crate) fn parse(
        text: &str,
        area: &str,
        top_k: i32,
        model_override: &str,
        key: &str,
    ) -> Result<Self, ServiceError> {
        Ok(Self {
            text: question(text)?,
            area: Some(clean_name(area)).filter(|area| !area.is_empty()),
            top_k: limit(top_k, DEFAULT_TOP_K)?,
            with: with(model_override)?,
            routing_key: routing_key(key)?,
            deadline: None,
        })
    }
}

/// A question that is stored as an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecommendItem {
    pub item: ItemId,
    /// In the place of the item's own.
    pub area: Option<String>,
    pub top_k: usize,
    pub with: With,
    pub routing_key: Option<String>,
    pub deadline: Option<Duration>,
    /// An answer that was computed ahead will do although something has changed since.
    pub allow_stale: bool,
}

impl RecommendItem {
    /// Reads a request that names an item of `tenant`.
    pub(crate) fn parse(
        tenant: &TenantId,
        request: &v1::RecommendExpertsRequest,
    ) -> Result<Self, ServiceError> {
        if !request.text.is_empty() {
            let message = "stands beside `text`; send one of the two";
            return Err(ServiceError::invalid("item", message));
        }
        let (owner, item) = ResourceName::item(&request.item)
            .map_err(|error| ServiceError::name("item", &error))?;
        if owner != *tenant {
            // As one that is not there: whether it is, is for its own tenant to know.
            return Err(ServiceError::not_found(&request.item));
        }
        Ok(Self {
            item,
            area: Some(clean_name(&request.area)).filter(|area| !area.is_empty()),
            top_k: limit(request.top_k, DEFAULT_TOP_K)?,
            with: with(&request.model_override)?,
            routing_key: routing_key(&request.routing_key)?,
            deadline: None,
            allow_stale: request.allow_stale,
        })
    }

    /// Whether what was computed ahead, as nobody in particular would ask it, can be the answer.
    pub(crate) fn is_plain(&self, item: &Item, most: usize) -> bool {
        self.with == With::Route
            && self.routing_key.is_none()
            && self.top_k <= most
            && (self.area.is_none() || self.area == item.content.area)
    }

    /// The same question by its text.
    pub(crate) fn of(self, item: Item) -> Recommend {
        Recommend {
            text: item.content.text,
            area: self.area.or(item.content.area),
            top_k: self.top_k,
            with: self.with,
            routing_key: self.routing_key,
            deadline: self.deadline,
        }
    }
}

impl TryFrom<&v1::RecommendExpertsRequest> for Recommend {
    type Error = ServiceError;
    fn try_from(request: &v1::RecommendExpertsRequest) -> Result<Self, ServiceError> {
        Self::parse(
            &request.text,
            &request.area,
            request.top_k,
            &request.model_override,
            &request.routing_key,
        )
    }
}

/// The key that makes a canary sticky.
pub(crate) fn routing_key(key: &str) -> Result<Option<String>, ServiceError> {
    if key.len() > MAX_KEY_BYTES {
        let message = format!("is longer than {MAX_KEY_BYTES} bytes; send an id");
        return Err(ServiceError::invalid("routing_key", message));
    }
    Ok(Some(key.to_owned()).filter(|key| !key.is_empty()))
}

/// The task of a routing request; empty means `experts`.
pub(crate) fn routed_task(field: &'static str, name: &str) -> Result<TaskId, ServiceError> {
    if name.is_empty() {
        return Ok(TaskId::experts());
    }
    TaskId::parse(name).map_err(|error| ServiceError::id(field, &error))
}

/// A question's text.
pub(crate) fn question(text: &str) -> Result<String, ServiceError> {
    if text.len() > ITEM_TEXT_MAX_CHARS && text.chars().count() > ITEM_TEXT_MAX_CHARS {
        let message = format!("is longer than {ITEM_TEXT_MAX_CHARS} characters; ask shorter");
        return Err(ServiceError::invalid("text", message));
    }
    if !has_usable_text(text) {
        return Err(ServiceError::invalid(
            "text",
            "has nothing to read in it; send the question",
        ));
    }
    Ok(clean_text(text))
}

/// How many answers are wanted.
pub(crate) fn limit(top_k: i32, default: usize) -> Result<usize, ServiceError> {
    match usize::try_from(top_k) {
        Ok(0) => Ok(default),
        Ok(k) if k <= MAX_TOP_K => Ok(k),
        _ => Err(ServiceError::invalid(
            "top_k",
            format!("must be from 0 to {MAX_TOP_K}"),
        )),
    }
}

fn with(name: &str) -> Result<With, ServiceError> {
    if name.is_empty() {
        return Ok(With::Route);
    }
    if let Some(baseline) = name.strip_prefix("baseline:") {
        let names: Vec<_> = Baseline::ALL
            .iter()
            .map(|baseline| baseline.name())
            .collect();
        return Baseline::parse(baseline)
            .map(With::Baseline)
            .ok_or_else(|| {
                let message = format!("knows the baselines {}", names.join(", "));
                ServiceError::invalid("model_override", message)
            });
    }
    let model = name
        .parse()
        .map_err(|error| ServiceError::name("model_override", &error))?;
    Ok(With::Model(model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_checked() {
        assert_eq!(
            Recommend::parse(" why? ", "", 0, "", "").unwrap().top_k,
            DEFAULT_TOP_K
        );
        for (text, top_k, with) in [
            (" ", 1, ""),
            ("why?", -1, ""),
            ("why?", 101, ""),
            ("why?", 1, "baseline:magic"),
            ("why?", 1, "models/1"),
        ] {
            assert!(
                Recommend::parse(text, "", top_k, with, "").is_err(),
                "{text} {top_k} {with}"
            );
        }
        assert!(question(&"x".repeat(5 << 20)).is_err());
    }

    #[test]
    fn an_item_is_named_instead_of_a_text_and_is_the_tenants_own() {
        let tenant = TenantId::parse("acme").unwrap();
        let request = |text: &str, item: &str| v1::RecommendExpertsRequest {
            text: text.to_owned(),
            item: item.to_owned(),
            ..Default::default()
        };
        let parse = |text, item| RecommendItem::parse(&tenant, &request(text, item));
        assert_eq!(
            parse("", "tenants/acme/items/q-1").unwrap().item.as_str(),
            "q-1"
        );
        for (text, item, reason) in [
            ("why?", "tenants/acme/items/q-1", "INVALID_FIELD"),
            ("", "items/q-1", "INVALID_FIELD"),
            ("", "tenants/other/items/q-1", "NOT_FOUND"),
        ] {
            assert_eq!(parse(text, item).unwrap_err().reason(), reason, "{item}");
        }
    }

    #[test]
    fn every_baseline_can_be_asked_for() {
        for baseline in Baseline::ALL {
            let name = format!("baseline:{}", baseline.name());
            assert_eq!(with(&name).unwrap(), With::Baseline(baseline));
        }
    }
}
