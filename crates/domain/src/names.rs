//! Resource names in the manner of Google AIP-122: `tenants/acme/items/q-17`. Ids that tenants give are
//! percent-encoded in them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::escape::{escape_id, unescape_id};
use crate::{DatasetNumber, IdError, ItemId, JobId, KeyId, TaskId, TenantId, Tier, VerticalId};

/// Why a text is not a resource name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name has another form than the one asked for.
    #[error("{found:?} is not a name of the form {expected:?}")]
    Form {
        /// The form that was expected.
        expected: &'static str,
        /// What was given, cut to 80 characters.
        found: String,
    },
    /// The escapes of an id in the name cannot be read.
    #[error("{found:?} has a '%' that begins no byte in UTF-8; write '%' as %25 and '/' as %2F")]
    Escape {
        /// What was given, cut to 80 characters.
        found: String,
    },
    /// One of the ids in the name is not well formed.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// A parsed resource name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ResourceName {
    /// `tenants/{tenant}`
    Tenant(TenantId),
    /// `tenants/{tenant}/items/{item}`
    Item(TenantId, ItemId),
    /// `tenants/{tenant}/datasets/{number}`
    Dataset(TenantId, DatasetNumber),
    /// `tenants/{tenant}/jobs/{job}`, or `jobs/{job}` for a job of the platform
    Job(Option<TenantId>, JobId),
    /// `tenants/{tenant}/tasks/{task}`
    Task(TenantId, TaskId),
    /// `tenants/{tenant}/apiKeys/{key}`, or `apiKeys/{key}` for an operator's key
    ApiKey(Option<TenantId>, KeyId),
}

fn form(expected: &'static str, found: &str) -> NameError {
    NameError::Form {
        expected,
        found: cut(found),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

impl ResourceName {
    /// Parses `tenants/{tenant}`.
    ///
    /// # Errors
    /// [`NameError`] when the text has another form.
    pub fn tenant(name: &str) -> Result<TenantId, NameError> {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["tenants", tenant] => Ok(tenant.parse()?),
            _ => Err(form("tenants/{tenant}", name)),
        }
    }

    /// Parses `tenants/{tenant}/items/{item}`; the item's id is percent-encoded.
    ///
    /// # Errors
    /// [`NameError`] when the text has another form.
    pub fn item(name: &str) -> Result<(TenantId, ItemId), NameError> {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["tenants", tenant, "items", item] => {
                let id = unescape_id(item).ok_or_else(|| NameError::Escape { found: cut(item) })?;
                Ok((tenant.parse()?, ItemId::parse(id)?))
            }
            _ => Err(form("tenants/{tenant}/items/{item}", name)),
        }
    }

    /// Parses `tenants/{tenant}/datasets/{number}`.
    ///
    /// # Errors
    /// [`NameError`] when the text has another form.
    pub fn dataset(name: &str) -> Result<(TenantId, DatasetNumber), NameError> {
        const FORM: &str = "tenants/{tenant}/datasets/{number}";
        match name.split('/').collect::<Vec<_>>()[..] {
            ["tenants", tenant, "datasets", number] => Ok((
                tenant.parse()?,
                positive(number).ok_or_else(|| form(FORM, name))?,
            )),
            _ => Err(form(FORM, name)),
        }
    }

    /// Parses `tenants/{tenant}/jobs/{job}` or `jobs/{job}`.
    ///
    /// # Errors
    /// [`NameError`] when the text has another form.
    pub fn job(name: &str) -> Result<(Option<TenantId>, JobId), NameError> {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["tenants", tenant, "jobs", job] => Ok((Some(tenant.parse()?), job.parse()?)),
            ["jobs", job] => Ok((None, job.parse()?)),
            _ => Err(form("tenants/{tenant}/jobs/{job}", name)),
        }
    }

    /// Parses `tenants/{tenant}/tasks/{task}`.
    ///
    /// # Errors
    /// [`NameError`] when the text has another form.
    pub fn task(name: &str) -> Result<(TenantId, TaskId), NameError> {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["tenants", tenant, "tasks", task] => Ok((tenant.parse()?, task.parse()?)),
            _ => Err(form("tenants/{tenant}/tasks/{task}", name)),
        }
    }

    /// Parses `tenants/{tenant}/apiKeys/{key}` or `apiKeys/{key}`.
    ///
    /// # Errors
    /// [`NameError`] when the text has another form.
    pub fn api_key(name: &str) -> Result<(Option<TenantId>, KeyId), NameError> {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["tenants", tenant, "apiKeys", key] => Ok((Some(tenant.parse()?), key.parse()?)),
            ["apiKeys", key] => Ok((None, key.parse()?)),
            _ => Err(form("tenants/{tenant}/apiKeys/{key}", name)),
        }
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "tenants/{tenant}"),
            Self::Item(tenant, item) => {
                write!(f, "tenants/{tenant}/items/{}", escape_id(item.as_str()))
            }
            Self::Dataset(tenant, number) => write!(f, "tenants/{tenant}/datasets/{number}"),
            Self::Job(Some(tenant), job) => write!(f, "tenants/{tenant}/jobs/{job}"),
            Self::Job(None, job) => write!(f, "jobs/{job}"),
            Self::Task(tenant, task) => write!(f, "tenants/{tenant}/tasks/{task}"),
            Self::ApiKey(Some(tenant), key) => write!(f, "tenants/{tenant}/apiKeys/{key}"),
            Self::ApiKey(None, key) => write!(f, "apiKeys/{key}"),
        }
    }
}

fn positive(text: &str) -> Option<u64> {
    text.parse::<u64>().ok().filter(|number| *number > 0)
}

/// The name of one immutable model version.
///
/// `tenants/{t}/models/{task}/versions/{n}`, `verticals/{v}/models/…`, or `global/models/…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName {
    /// Whose data the model learned from.
    pub owner: ModelOwner,
    /// What it predicts.
    pub task: TaskId,
    /// Its number, from 1. The global model that ships with the code is version 0.
    pub version: u64,
}

/// Whose data a model learned from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ModelOwner {
    /// Data of all consenting tenants.
    Global,
    /// Data of the consenting tenants of one vertical.
    Vertical(VerticalId),
    /// Data of one tenant.
    Tenant(TenantId),
}

impl ModelName {
    /// The tier of the model.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.owner.tier()
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for ModelName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        name.parse()
    }
}

impl From<ModelOwner> for String {
    fn from(owner: ModelOwner) -> Self {
        owner.to_string()
    }
}

impl TryFrom<String> for ModelOwner {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        Self::parse(&name)
    }
}

impl ModelOwner {
    /// Parses `tenants/{tenant}`, `verticals/{vertical}` or `global`.
    ///
    /// # Errors
    /// [`NameError`] when the text has another form.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["global"] => Ok(Self::Global),
            ["verticals", vertical] => Ok(Self::Vertical(vertical.parse()?)),
            ["tenants", tenant] => Ok(Self::Tenant(tenant.parse()?)),
            _ => Err(form("tenants/{tenant}", name)),
        }
    }

    /// The tier of its models.
    #[must_use]
    pub fn tier(&self) -> Tier {
        match self {
            Self::Global => Tier::Global,
            Self::Vertical(_) => Tier::Vertical,
            Self::Tenant(_) => Tier::Tenant,
        }
    }
}

impl fmt::Display for ModelOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => write!(f, "global"),
            Self::Vertical(vertical) => write!(f, "verticals/{vertical}"),
            Self::Tenant(tenant) => write!(f, "tenants/{tenant}"),
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/models/{}/versions/{}",
            self.owner, self.task, self.version
        )
    }
}

impl FromStr for ModelName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        const FORM: &str = "tenants/{tenant}/models/{task}/versions/{number}";
        let (owner, rest) = match name.split('/').collect::<Vec<_>>()[..] {
            ["global", ref rest @ ..] => (ModelOwner::Global, rest.to_vec()),
            ["verticals", vertical, ref rest @ ..] => {
                (ModelOwner::Vertical(vertical.parse()?), rest.to_vec())
            }
            ["tenants", tenant, ref rest @ ..] => {
                (ModelOwner::Tenant(tenant.parse()?), rest.to_vec())
            }
            _ => return Err(form(FORM, name)),
        };
        match rest[..] {
            ["models", task, "versions", version] => Ok(Self {
                owner,
                task: task.parse()?,
                version: version.parse().map_err(|_| form(FORM, name))?,
            }),
            _ => Err(form(FORM, name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in [
            "global/models/experts/versions/0",
            "verticals/healthcare/models/experts/versions/3",
            "tenants/acme/models/experts/versions/12",
        ] {
            assert_eq!(name.parse::<ModelName>().unwrap().to_string(), name);
        }
        let (tenant, item) = ResourceName::item("tenants/acme/items/q-17").unwrap();
        assert_eq!(
            ResourceName::Item(tenant, item).to_string(),
            "tenants/acme/items/q-17"
        );
    }

    #[test]
    fn customers_ids_are_escaped() {
        let tenant: TenantId = "acme".parse().unwrap();
        for (id, name) in [
            ("A&A-01.1", "tenants/acme/items/A%26A-01.1"),
            ("a/b", "tenants/acme/items/a%2Fb"),
            ("..", "tenants/acme/items/%2E."),
            ("Prüfung 3", "tenants/acme/items/Pr%C3%BCfung%203"),
        ] {
            let item = ItemId::parse(id).unwrap();
            let made = ResourceName::Item(tenant.clone(), item.clone()).to_string();
            assert_eq!(made, name);
            assert_eq!(ResourceName::item(name).unwrap(), (tenant.clone(), item));
        }
        let broken = ResourceName::item("tenants/acme/items/100%").unwrap_err();
        assert!(broken.to_string().contains("%25"), "{broken}");
        assert!(ResourceName::item("tenants/acme/items/%00").is_err());
    }

    #[test]
    fn other_forms_are_refused() {
        for name in [
            "",
            "acme",
            "tenants/",
            "tenants/a/b",
            "tenants/acme/items/1",
            "/tenants/acme",
        ] {
            assert!(ResourceName::tenant(name).is_err(), "{name}");
        }
        assert!(ResourceName::dataset("tenants/acme/datasets/0").is_err());
        assert!(
            "tenants/acme/models/experts/versions/-1"
                .parse::<ModelName>()
                .is_err()
        );
    }
}
