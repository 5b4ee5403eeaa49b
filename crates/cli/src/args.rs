//! Pieces of the command line that many commands share: tenant, pages, names of things.

use api::rules::{ResourceName, escape_id, unescape_id};

use crate::error::CliError;

/// Which tenant is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct TenantArg {
    /// The tenant, for example `acme`
    #[arg(short, long, value_name = "TENANT", env = "TENANTRY_TENANT")]
    pub tenant: Option<String>,
}

impl TenantArg {
    /// `tenants/{tenant}`.
    ///
    /// # Errors
    /// When no tenant was given.
    pub fn parent(&self) -> Result<String, CliError> {
        self.tenant.as_deref().map(tenant_name).ok_or_else(|| {
            CliError::usage("which tenant is meant?")
                .hint("name it with -t TENANT, or set TENANTRY_TENANT")
        })
    }

    /// The name of a thing that was given as `short` or by its whole name. An item's id may have any
    /// character, a `/` too: only what is an item's whole name is taken for one.
    ///
    /// # Errors
    /// When it is short and no tenant was given.
    pub fn name_of(&self, short: &str, collection: &str) -> Result<String, CliError> {
        if collection == "items" {
            return match ResourceName::item(short) {
                Ok(_) => Ok(short.to_owned()),
                Err(_) => Ok(format!("{}/items/{}", self.parent()?, escape_id(short))),
            };
        }
        if short.contains('/') {
            return Ok(short.to_owned());
        }
        Ok(format!("{}/{collection}/{short}", self.parent()?))
    }
}

/// How much of a list is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct PageArgs {
    /// At most so many entries; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
}

impl PageArgs {
    /// Fetches pages until there are enough entries; says on standard error when there are more.
    ///
    /// # Errors
    /// Those of fetching a page.
    pub async fn collect<T>(
        &self,
        mut page: impl AsyncFnMut(i32, String) -> Result<(Vec<T>, String), CliError>,
    ) -> Result<Vec<T>, CliError> {
        let mut entries = Vec::new();
        let mut token = String::new();
        loop {
            let wanted = if self.limit == 0 {
                1_000
            } else {
                (self.limit - entries.len()).min(1_000)
            };
            let (more, next) = page(i32::try_from(wanted).unwrap_or(1_000), token).await?;
            entries.extend(more);
            if next.is_empty() {
                return Ok(entries);
            }
            if self.limit != 0 && entries.len() >= self.limit {
                entries.truncate(self.limit);
                crate::output::note("there are more; --limit 0 shows all");
                return Ok(entries);
            }
            token = next;
        }
    }
}

/// `tenants/{tenant}`, from the id or the name.
#[must_use]
pub fn tenant_name(tenant: &str) -> String {
    format!(
        "tenants/{}",
        tenant.strip_prefix("tenants/").unwrap_or(tenant)
    )
}

/// The last part of a resource name.
#[must_use]
pub fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The id of an item's name, as the tenant wrote it.
#[must_use]
pub fn item_id(name: &str) -> String {
    unescape_id(last(name)).unwrap_or_else(|| last(name).to_owned())
}

/// The tenant's id of a resource name.
#[must_use]
pub fn tenant_of(name: &str) -> &str {
    name.strip_prefix("tenants/")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or(name)
}

/// The name of an enum's value; `UNKNOWN` for one that this program does not know.
pub fn enum_name<E: TryFrom<i32>>(value: i32, name: impl Fn(&E) -> &'static str) -> &'static str {
    E::try_from(value).map_or("UNKNOWN", |value| name(&value))
}

/// None for the empty text that the wire has in its place.
#[must_use]
pub fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_may_be_named_short_or_whole() {
        let acme = TenantArg {
            tenant: Some("acme".to_owned()),
        };
        assert_eq!(
            acme.name_of("q-1", "items").unwrap(),
            "tenants/acme/items/q-1"
        );
        assert_eq!(
            acme.name_of("tenants/b/items/1", "items").unwrap(),
            "tenants/b/items/1"
        );
        for (id, name) in [
            ("A&A-01.1", "tenants/acme/items/A%26A-01.1"),
            ("tenants/a", "tenants/acme/items/tenants%2Fa"),
            ("100 %", "tenants/acme/items/100%20%25"),
        ] {
            assert_eq!(acme.name_of(id, "items").unwrap(), name);
            assert_eq!(item_id(name), id);
        }
        assert!(TenantArg { tenant: None }.name_of("q-1", "items").is_err());
        assert_eq!(tenant_name("tenants/acme"), "tenants/acme");
        assert_eq!(
            (last("tenants/a/jobs/j1"), tenant_of("tenants/a/jobs/j1")),
            ("j1", "a")
        );
    }

    #[tokio::test]
    async fn pages_are_followed_up_to_the_limit() {
        async fn page(size: i32, token: String) -> Result<(Vec<i32>, String), CliError> {
            let from: i32 = token.parse().unwrap_or(0);
            let to = (from + size.min(2)).min(5);
            Ok((
                (from..to).collect(),
                if to == 5 {
                    String::new()
                } else {
                    to.to_string()
                },
            ))
        }
        let all = PageArgs { limit: 0 }.collect(page).await.unwrap();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        assert_eq!(
            PageArgs { limit: 3 }.collect(page).await.unwrap(),
            [0, 1, 2]
        );
    }
}
