//! `tenantry costs prices`: the price book, as a file and back.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use api::v1;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Context;
use crate::client::Client;
use crate::error::CliError;
use crate::output::{Row, note};

/// A file beyond this is no price book.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// See and set the price book.
#[derive(Debug, clap::Subcommand)]
pub enum PricesCommand {
    /// Show the price book in force
    #[command(after_help = "The JSON form is what `prices set` reads.

Examples:
  tenantry costs prices show
  tenantry costs prices show -o json > prices.json")]
    Show,
    /// Show an example to begin with
    #[command(after_help = "Example:\n  tenantry costs prices example -o json > prices.json")]
    Example,
    /// Replace the price book by that of a file
    #[command(after_help = "Amounts are written in quotes, such as \"0.04\".

Examples:
  tenantry costs prices set prices.json --dry-run
  tenantry costs prices set prices.toml")]
    Set(SetArgs),
}

/// Options of `costs prices set`.
#[derive(Debug, clap::Args)]
pub struct SetArgs {
    /// The file: JSON, or TOML when its name ends with .toml
    file: PathBuf,
    /// Only check it
    #[arg(long)]
    dry_run: bool,
}

/// A price book as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BookFile {
    /// The revision it was read as; without one it replaces whatever is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    versions: Vec<VersionFile>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionFile {
    valid_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    valid_until: Option<String>,
    currency: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu_hour: Option<Amount>,
    #[serde(default)]
    prices: BTreeMap<String, Amount>,
    #[serde(default)]
    shared: Vec<SharedFile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle: Option<IdleFile>,
    #[serde(default)]
    note: String,
    #[serde(default)]
    example: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SharedFile {
    name: String,
    monthly: Amount,
    allocation: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdleFile {
    cores: Amount,
    allocation: String,
}

/// An amount as text: a number with a point would have gone through a float.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
struct Amount(String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amounts;
        impl Visitor<'_> for Amounts {
            type Value = Amount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount in quotes, such as \"0.04\"")
            }
            fn visit_str<E>(self, text: &str) -> Result<Amount, E> {
                Ok(Amount(text.to_owned()))
            }
            fn visit_i64<E>(self, whole: i64) -> Result<Amount, E> {
                Ok(Amount(whole.to_string()))
            }
            fn visit_u64<E>(self, whole: u64) -> Result<Amount, E> {
                Ok(Amount(whole.to_string()))
            }
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Amount, E> {
                Err(E::custom(format!(
                    "write the amount {number} in quotes: without them it is not exact"
                )))
            }
        }
        deserializer.deserialize_any(Amounts)
    }
}

impl From<v1::PriceBook> for BookFile {
    fn from(book: v1::PriceBook) -> Self {
        Self {
            revision: Some(book.revision),
            versions: book.versions.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<v1::PriceVersion> for VersionFile {
    fn from(version: v1::PriceVersion) -> Self {
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        let prices = version.prices.into_iter();
        let shared = version.shared.into_iter();
        Self {
            valid_from: version.valid_from,
            valid_until: filled(version.valid_until),
            currency: version.currency,
            cpu_hour: filled(version.cpu_hour).map(Amount),
            prices: prices.map(|one| (one.meter, Amount(one.price))).collect(),
            shared: shared
                .map(|one| SharedFile {
                    name: one.name,
                    monthly: Amount(one.monthly),
                    allocation: one.allocation,
                })
                .collect(),
            idle: version.idle.map(|idle| IdleFile {
                cores: Amount(idle.cores),
                allocation: idle.allocation,
            }),
            note: version.note,
            example: version.example,
        }
    }
}

impl From<VersionFile> for v1::PriceVersion {
    fn from(version: VersionFile) -> Self {
        let prices = version.prices.into_iter();
        let shared = version.shared.into_iter();
        Self {
            valid_from: version.valid_from,
            valid_until: version.valid_until.unwrap_or_default(),
            currency: version.currency,
            cpu_hour: version.cpu_hour.map(|hour| hour.0).unwrap_or_default(),
            prices: prices
                .map(|(meter, price)| v1::MeterPrice {
                    meter,
                    price: price.0,
                    billed_unit: String::new(),
                })
                .collect(),
            shared: shared
                .map(|one| v1::SharedCost {
                    name: one.name,
                    monthly: one.monthly.0,
                    allocation: one.allocation,
                })
                .collect(),
            idle: version.idle.map(|idle| v1::IdleCost {
                cores: idle.cores.0,
                allocation: idle.allocation,
            }),
            note: version.note,
            example: version.example,
        }
    }
}

/// One price, as it is printed.
#[derive(Debug, Serialize)]
struct PriceView {
    from: String,
    until: String,
    what: String,
    price: String,
    per: String,
    currency: String,
}

impl Row for PriceView {
    const COLUMNS: &'static [&'static str] = &["from", "until", "what", "price", "per", "currency"];
    fn cells(&self) -> Vec<String> {
        let Self {
            from,
            until,
            what,
            price,
            per,
            currency,
        } = self;
        [from, until, what, price, per, currency]
            .map(Clone::clone)
            .into()
    }
}

fn views(book: &v1::PriceBook) -> Vec<PriceView> {
    let mut views = Vec::new();
    for version in &book.versions {
        let mut add = |what: &str, price: &str, per: String| {
            views.push(PriceView {
                from: version.valid_from.clone(),
                until: version.valid_until.clone(),
                what: what.to_owned(),
                price: price.to_owned(),
                per,
                currency: version.currency.clone(),
            });
        };
        if !version.cpu_hour.is_empty() {
            add("CPU time", &version.cpu_hour, "CPU-hour".to_owned());
        }
        for price in &version.prices {
            add(&price.meter, &price.price, price.billed_unit.clone());
        }
        for cost in &version.shared {
            let per = format!("month, allocated {}", cost.allocation);
            add(&cost.name, &cost.monthly, per);
        }
        if let Some(idle) = &version.idle {
            let per = format!("of {} cores, allocated {}", idle.cores, idle.allocation);
            add("idle machines", &version.cpu_hour, per);
        }
    }
    views
}

/// Runs `costs prices show` and `costs prices example`.
///
/// # Errors
/// What the person should be told.
pub async fn show(example: bool, context: &mut Context) -> Result<(), CliError> {
    let client = context.client().await?;
    let book = read(&client, example).await?;
    let (views, about) = (views(&book), about(&book));
    let mut file = BookFile::from(book);
    // Whoever begins with the example replaces nothing in particular.
    file.revision = file.revision.filter(|_| !example);
    context.out.document(&file, &views, |out| {
        format!("{}\n{about}", out.table(&views))
    })
}

fn about(book: &v1::PriceBook) -> String {
    let mut text = match book.revision {
        0 => "The example: nobody has written a price book yet.\n".to_owned(),
        revision => format!("Revision {revision}, written by {}.\n", book.updated_by),
    };
    for version in book.versions.iter().filter(|one| !one.note.is_empty()) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "From {}: {}", version.valid_from, version.note);
    }
    text
}

async fn read(client: &Client, example: bool) -> Result<v1::PriceBook, CliError> {
    let request = client.timed(v1::GetPriceBookRequest { example });
    let answer = client.answer(client.costs().get_price_book(request).await)?;
    Ok(answer.price_book.unwrap_or_default())
}

/// Runs `costs prices set`.
///
/// # Errors
/// What the person should be told.
pub async fn set(args: SetArgs, context: &Context) -> Result<(), CliError> {
    let file = read_file(&args.file)?;
    let client = context.client().await?;
    let revision = match file.revision {
        Some(revision) => revision,
        None => read(&client, false).await?.revision,
    };
    let price_book = Some(v1::PriceBook {
        revision,
        versions: file.versions.into_iter().map(Into::into).collect(),
        ..v1::PriceBook::default()
    });
    let request = client.timed(v1::UpdatePriceBookRequest {
        price_book,
        validate_only: args.dry_run,
    });
    let answer = client.answer(client.costs().update_price_book(request).await)?;
    let revision = answer.price_book.as_ref().map_or(0, |book| book.revision);
    note(&match args.dry_run {
        true => format!("it can be used; it would become revision {revision}"),
        false => format!("the price book has revision {revision} now"),
    });
    for warning in answer.warnings {
        note(&format!(
            "warning: {} ({})",
            warning.message, warning.reason
        ));
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<BookFile, CliError> {
    let cannot = |error: &dyn fmt::Display| {
        CliError::usage(format!("{} cannot be used: {error}", path.display()))
            .hint("tenantry costs prices example -o json shows what it should look like")
    };
    let size = std::fs::metadata(path)
        .map_err(|error| cannot(&error))?
        .len();
    if size > MAX_FILE_BYTES {
        return Err(cannot(&"it is too large for a price book"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| cannot(&error))?;
    let toml = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("toml"));
    match toml {
        true => toml::from_str(&text).map_err(|error| cannot(&error)),
        false => serde_json::from_str(&text).map_err(|error| cannot(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = r#"
[[versions]]
valid_from = "2026-01-01"
currency = "EUR"
cpu_hour = "0.04"
prices = { requests = "0.5", stored_vectors = 2 }
shared = [{ name = "licence", monthly = "1000", allocation = "even" }]
"#;

    fn file(name: &str, text: &str) -> Result<BookFile, CliError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_file(&path)
    }

    #[test]
    fn what_is_shown_as_json_is_read_again_and_toml_is_read_too() {
        let book = file("prices.toml", TOML).unwrap();
        assert_eq!(
            book.versions[0].prices["stored_vectors"],
            Amount("2".into())
        );
        let json = serde_json::to_string_pretty(&book).unwrap();
        assert_eq!(file("prices.json", &json).unwrap(), book);
        let wire = v1::PriceVersion::from(book.versions[0].clone());
        assert_eq!(VersionFile::from(wire), book.versions[0]);
    }

    #[test]
    fn floats_and_slips_are_told() {
        let float = TOML.replace("\"0.04\"", "0.04");
        let error = file("p.toml", &float).unwrap_err().to_string();
        assert!(error.contains("in quotes"), "{error}");
        let slip = TOML.replace("cpu_hour", "cpu_hours");
        assert!(
            file("p.toml", &slip)
                .unwrap_err()
                .to_string()
                .contains("cpu_hours")
        );
        assert!(file("p.json", TOML).is_err());
        assert!(read_file(Path::new("/nowhere/p.json")).is_err());
    }
}
