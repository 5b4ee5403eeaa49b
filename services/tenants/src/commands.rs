//! Messages to commands: the only place where requests are validated.

use api::v1;
use domain::{
    FieldViolation, RequestId, TenantId, TenantSettings, TenantState, VerticalId, clean_text,
};
use server::ServiceError;
use storage::NewTenant;

const DISPLAY_NAME_MAX_CHARS: usize = 200;

/// A tenant to make.
pub(crate) struct CreateTenant {
    pub tenant: NewTenant,
    pub request_id: Option<RequestId>,
}

impl TryFrom<v1::CreateTenantRequest> for CreateTenant {
    type Error = ServiceError;

    fn try_from(request: v1::CreateTenantRequest) -> Result<Self, ServiceError> {
        let mut violations = Vec::new();
        let mut note = |field: &str, message: String| {
            violations.push(FieldViolation::new(field, message));
        };
        let id = TenantId::parse(request.tenant_id);
        if let Err(error) = &id {
            note("tenant_id", error.to_string());
        }
        let vertical = VerticalId::parse(request.vertical);
        if let Err(error) = &vertical {
            note("vertical", error.to_string());
        }
        let display_name = display_name(&request.display_name);
        if let Err(message) = &display_name {
            note("display_name", message.clone());
        }
        let request_id = request_id(request.request_id);
        if let Err(violation) = &request_id {
            note("request_id", violation.message.clone());
        }
        let settings = TenantSettings::try_from(request.settings.unwrap_or_default());
        if let Err(violation) = &settings {
            note(&violation.field, violation.message.clone());
        }
        match (id, vertical, display_name, request_id, settings) {
            (Ok(id), Ok(vertical), Ok(name), Ok(request_id), Ok(settings)) => {
                let display_name = if name.is_empty() {
                    id.to_string()
                } else {
                    name
                };
                let tenant = NewTenant {
                    id,
                    display_name,
                    vertical,
                    settings,
                };
                Ok(Self { tenant, request_id })
            }
            _ => Err(ServiceError::violations(violations)),
        }
    }
}

/// Applies the fields that `update_mask` names to `tenant`.
pub(crate) fn apply_update(
    tenant: &mut domain::Tenant,
    wanted: &v1::Tenant,
    mask: &[String],
) -> Result<(), ServiceError> {
    if mask.is_empty() {
        let message = "name the fields to change: display_name, settings, state";
        return Err(ServiceError::invalid("update_mask", message));
    }
    for path in mask {
        match path.as_str() {
            "display_name" => {
                tenant.display_name = display_name(&wanted.display_name)
                    .map_err(|message| ServiceError::invalid("tenant.display_name", message))?;
            }
            "settings"
            | "settings.share_for_training"
            | "settings.embedding_model"
            | "settings.value_per_accepted" => {
                let settings = wanted.settings.clone().unwrap_or_default();
                let settings = TenantSettings::try_from(settings).map_err(|violation| {
                    let field = format!("tenant.{}", violation.field);
                    ServiceError::invalid(&field, violation.message)
                })?;
                apply_settings(&mut tenant.settings, settings, path);
            }
            "state" => tenant.state = settable_state(wanted.state())?,
            other => {
                let message =
                    format!("{other:?} cannot be changed; display_name, settings and state can");
                return Err(ServiceError::invalid("update_mask", message));
            }
        }
    }
    Ok(())
}

/// Applies one setting, or all. A base model that is not named stays as it is: nobody changes it by
/// leaving it out. The value of an answer is cleared by naming it alone and leaving it empty.
fn apply_settings(settings: &mut TenantSettings, wanted: TenantSettings, path: &str) {
    let all = path == "settings";
    if all || path == "settings.share_for_training" {
        settings.share_for_training = wanted.share_for_training;
    }
    if (all || path == "settings.embedding_model") && wanted.embedding_model.is_some() {
        settings.embedding_model = wanted.embedding_model;
    }
    let given = wanted.value_per_accepted.is_some();
    if (all && given) || path == "settings.value_per_accepted" {
        settings.value_per_accepted = wanted.value_per_accepted;
    }
}

fn settable_state(state: v1::tenant::State) -> Result<TenantState, ServiceError> {
    match state {
        v1::tenant::State::Active => Ok(TenantState::Active),
        v1::tenant::State::Inactive => Ok(TenantState::Inactive),
        v1::tenant::State::Erasing | v1::tenant::State::Unspecified => {
            let message = "can be set to ACTIVE or INACTIVE; DeleteTenant erases";
            Err(ServiceError::invalid("tenant.state", message))
        }
    }
}

fn display_name(text: &str) -> Result<String, String> {
    let name = clean_text(text);
    match name.chars().count() > DISPLAY_NAME_MAX_CHARS {
        true => Err(format!("at most {DISPLAY_NAME_MAX_CHARS} characters")),
        false => Ok(name),
    }
}

fn request_id(text: String) -> Result<Option<RequestId>, FieldViolation> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = RequestId::parse(text);
    parsed
        .map(Some)
        .map_err(|error| FieldViolation::new("request_id", error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_field_is_named_at_once() {
        let request = v1::CreateTenantRequest {
            tenant_id: "Not OK".into(),
            vertical: String::new(),
            display_name: "x".repeat(300),
            ..Default::default()
        };
        let error = CreateTenant::try_from(request).err().unwrap();
        for field in ["tenant_id", "vertical", "display_name"] {
            assert!(error.message().contains(field), "{}", error.message());
        }
    }

    #[test]
    fn erasing_cannot_be_set() {
        assert!(settable_state(v1::tenant::State::Erasing).is_err());
        assert!(settable_state(v1::tenant::State::Inactive).is_ok());
    }

    #[test]
    fn the_value_of_an_answer_is_set_kept_cleared_and_checked() {
        let update = |before: Option<&str>, value: &str, path: &str| {
            let now = chrono::DateTime::UNIX_EPOCH;
            let mut tenant = domain::Tenant {
                id: TenantId::parse("acme").unwrap(),
                display_name: String::new(),
                vertical: VerticalId::parse("v").unwrap(),
                state: TenantState::Active,
                settings: TenantSettings {
                    value_per_accepted: before.map(|value| value.parse().unwrap()),
                    ..TenantSettings::default()
                },
                created_at: now,
                updated_at: now,
            };
            let settings = v1::TenantSettings {
                value_per_accepted: value.to_owned(),
                ..Default::default()
            };
            let wanted = v1::Tenant {
                settings: Some(settings),
                ..Default::default()
            };
            apply_update(&mut tenant, &wanted, &[path.to_owned()])?;
            Ok::<_, ServiceError>(tenant.settings.value_per_accepted.map(|v| v.to_string()))
        };
        let alone = "settings.value_per_accepted";
        assert_eq!(
            update(None, "1.20", alone).unwrap().as_deref(),
            Some("1.20")
        );
        assert_eq!(update(Some("1.20"), "", alone).unwrap(), None);
        let kept = update(Some("1.20"), "", "settings").unwrap();
        assert_eq!(kept.as_deref(), Some("1.20"));
        for wrong in ["-1", "1e3", "much", "1.00000000001", "99999999999"] {
            let error = update(None, wrong, alone).unwrap_err();
            assert!(error.message().contains(alone), "{}", error.message());
        }
    }

    #[test]
    fn a_setting_is_changed_alone_and_a_model_is_never_lost_by_leaving_it_out() {
        let before = TenantSettings {
            share_for_training: false,
            embedding_model: Some("one".to_owned()),
            value_per_accepted: None,
        };
        let wanted = |model: &str| TenantSettings {
            share_for_training: true,
            embedding_model: Some(model.to_owned()).filter(|name| !name.is_empty()),
            value_per_accepted: None,
        };
        for (path, model, shares, expected) in [
            ("settings.share_for_training", "two", true, "one"),
            ("settings.embedding_model", "two", false, "two"),
            ("settings.embedding_model", "", false, "one"),
            ("settings", "two", true, "two"),
            ("settings", "", true, "one"),
        ] {
            let mut settings = before.clone();
            apply_settings(&mut settings, wanted(model), path);
            let after = (settings.share_for_training, settings.embedding_model());
            assert_eq!(after, (shares, expected), "{path} {model:?}");
        }
    }
}
