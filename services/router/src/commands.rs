//! Messages to commands: the only place where requests are validated.

use api::v1;
use domain::{
    ITEM_TEXT_MAX_CHARS, ResourceName, TaskId, TenantId, clean_name, clean_text, has_usable_text,
};
use learning::Baseline;
use server::ServiceError;
use serving::experts::{ExpertQuery, ItemQuery, RankerChoice};

const DEFAULT_TOP_K: usize = 5;
const MAX_TOP_K: usize = 100;
const MAX_KEY_BYTES: usize = 256;

/// Reads a request that asks with a text; it waits without a deadline.
pub(crate) fn expert_query(
    request: &v1::RecommendExpertsRequest,
) -> Result<ExpertQuery, ServiceError> {
    Ok(ExpertQuery {
        text: question(&request.text)?,
        area: area(&request.area),
        top_k: limit(request.top_k, DEFAULT_TOP_K)?,
        choice: choice(&request.model_override)?,
        routing_key: routing_key(&request.routing_key)?,
        deadline: None,
    })
}

/// Reads one question of a questionnaire, which is always routed.
pub(crate) fn questionnaire_query(
    request: &v1::BatchRecommendExpertsRequest,
) -> Result<ExpertQuery, ServiceError> {
    Ok(ExpertQuery {
        text: question(&request.text)?,
        area: area(&request.area),
        top_k: limit(request.top_k, DEFAULT_TOP_K)?,
        choice: RankerChoice::Routed,
        routing_key: routing_key(&request.routing_key)?,
        deadline: None,
    })
}

/// Reads a request that names an item of `tenant`.
pub(crate) fn item_query(
    tenant: &TenantId,
    request: &v1::RecommendExpertsRequest,
) -> Result<ItemQuery, ServiceError> {
    if !request.text.is_empty() {
        let message = "stands beside `text`; send one of the two";
        return Err(ServiceError::invalid("item", message));
    }
    let (owner, item) =
        ResourceName::item(&request.item).map_err(|error| ServiceError::name("item", &error))?;
    if owner != *tenant {
        // As one that is not there: whether it is, is for its own tenant to know.
        return Err(ServiceError::not_found(&request.item));
    }
    Ok(ItemQuery {
        item,
        area: area(&request.area),
        top_k: limit(request.top_k, DEFAULT_TOP_K)?,
        choice: choice(&request.model_override)?,
        routing_key: routing_key(&request.routing_key)?,
        deadline: None,
        allow_stale: request.allow_stale,
    })
}

fn area(area: &str) -> Option<String> {
    Some(clean_name(area)).filter(|area| !area.is_empty())
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

fn choice(name: &str) -> Result<RankerChoice, ServiceError> {
    if name.is_empty() {
        return Ok(RankerChoice::Routed);
    }
    if let Some(baseline) = name.strip_prefix("baseline:") {
        let names: Vec<_> = Baseline::ALL
            .iter()
            .map(|baseline| baseline.name())
            .collect();
        return Baseline::parse(baseline)
            .map(RankerChoice::Baseline)
            .ok_or_else(|| {
                let message = format!("knows the baselines {}", names.join(", "));
                ServiceError::invalid("model_override", message)
            });
    }
    let model = name
        .parse()
        .map_err(|error| ServiceError::name("model_override", &error))?;
    Ok(RankerChoice::Model(model))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str, top_k: i32, model: &str) -> v1::RecommendExpertsRequest {
        v1::RecommendExpertsRequest {
            text: text.to_owned(),
            top_k,
            model_override: model.to_owned(),
            ..Default::default()
        }
    }

    fn field(error: &ServiceError) -> String {
        let message = error.message();
        let fields = message.strip_prefix("the request cannot be accepted: ");
        let field = fields.and_then(|fields| fields.split(':').next());
        field.unwrap_or(error.reason()).to_owned()
    }

    #[test]
    fn what_a_question_leaves_out_has_a_default() {
        let query = expert_query(&request(" why? ", 0, "")).unwrap();
        assert_eq!(query.top_k, DEFAULT_TOP_K);
        assert_eq!((query.text.as_str(), query.area), ("why?", None));
        assert_eq!(query.choice, RankerChoice::Routed);
        assert_eq!((query.routing_key, query.deadline), (None, None));
    }

    #[test]
    fn a_bad_question_names_its_field() {
        for (text, top_k, model, expected) in [
            (" ", 1, "", "text"),
            ("\u{200b}", 1, "", "text"),
            ("why?", -1, "", "top_k"),
            ("why?", 101, "", "top_k"),
            ("why?", 1, "baseline:magic", "model_override"),
            ("why?", 1, "models/1", "model_override"),
        ] {
            let error = expert_query(&request(text, top_k, model)).unwrap_err();
            assert_eq!(field(&error), expected, "{text} {top_k} {model}");
        }
        let long_key = v1::RecommendExpertsRequest {
            routing_key: "k".repeat(MAX_KEY_BYTES + 1),
            ..request("why?", 1, "")
        };
        assert_eq!(field(&expert_query(&long_key).unwrap_err()), "routing_key");
        assert!(expert_query(&request("why?", 100, "")).is_ok());
    }

    #[test]
    fn the_length_of_a_question_is_counted_in_characters() {
        assert!(question(&"ä".repeat(ITEM_TEXT_MAX_CHARS)).is_ok());
        assert!(question(&"ä".repeat(ITEM_TEXT_MAX_CHARS + 1)).is_err());
    }

    #[test]
    fn a_question_of_a_questionnaire_is_read_like_one_alone() {
        let one = v1::BatchRecommendExpertsRequest {
            text: "why?".to_owned(),
            area: "  Legal ".to_owned(),
            top_k: 3,
            routing_key: "k".to_owned(),
            ..Default::default()
        };
        let alone = v1::RecommendExpertsRequest {
            area: one.area.clone(),
            routing_key: one.routing_key.clone(),
            ..request("why?", 3, "")
        };
        let query = questionnaire_query(&one).unwrap();
        assert_eq!(query, expert_query(&alone).unwrap());
        assert_eq!(query.area.as_deref(), Some("Legal"));
    }

    #[test]
    fn an_item_is_named_instead_of_a_text_and_is_the_tenants_own() {
        let tenant = TenantId::parse("acme").unwrap();
        let parse = |text: &str, item: &str| {
            let request = v1::RecommendExpertsRequest {
                item: item.to_owned(),
                ..request(text, 0, "")
            };
            item_query(&tenant, &request)
        };
        let query = parse("", "tenants/acme/items/q-1").unwrap();
        assert_eq!(query.item.as_str(), "q-1");
        assert!(!query.allow_stale);
        for (text, item, reason) in [
            ("why?", "tenants/acme/items/q-1", "INVALID_FIELD"),
            ("", "items/q-1", "INVALID_FIELD"),
            ("", "tenants/other/items/q-1", "NOT_FOUND"),
        ] {
            assert_eq!(parse(text, item).unwrap_err().reason(), reason, "{item}");
        }
    }

    #[test]
    fn every_baseline_and_every_model_can_be_asked_for() {
        for baseline in Baseline::ALL {
            let name = format!("baseline:{}", baseline.name());
            assert_eq!(choice(&name).unwrap(), RankerChoice::Baseline(baseline));
        }
        let name = "tenants/acme/models/experts/versions/3";
        let model = RankerChoice::Model(name.parse().unwrap());
        assert_eq!(choice(name).unwrap(), model);
    }

    #[test]
    fn no_task_means_experts() {
        assert_eq!(routed_task("task", "").unwrap(), TaskId::experts());
        assert_eq!(routed_task("task", "intent").unwrap().as_str(), "intent");
        let error = routed_task("policy.task", "No Task").unwrap_err();
        assert_eq!(field(&error), "policy.task");
    }
}
