//! Tenants' content: the sample of this crate or a folder of data, and rows made up for a test.

pub mod made_up;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use api::v1;
use chrono::{DateTime, Utc};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// The sample's folder in the workspace.
pub const SAMPLE: &str = "crates/testkit/sample";
const COMPRESSED: &str = ".jsonl.gz";
const PLAIN: &str = ".jsonl";
/// For a data set whose tenants are in no known industry.
const NO_VERTICAL: &str = "general";

/// One tenant, what it knows, and what it is asked.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// For people.
    pub display_name: String,
    /// Its industry.
    pub vertical: String,
    /// Who can answer.
    pub people: Vec<Person>,
    /// What is ingested, in order of time.
    pub items: Vec<Row>,
    /// What is asked after that; never ingested.
    pub questions: Vec<Row>,
}

/// One line of an experts file.
#[derive(Debug, Clone, Deserialize)]
pub struct Person {
    /// Unique inside the tenant.
    pub id: String,
    /// For people.
    pub display_name: String,
    /// What the person knows.
    #[serde(default)]
    pub profile: String,
    /// Still there.
    #[serde(default = "yes")]
    pub active: bool,
    /// Can take work now.
    #[serde(default = "yes")]
    pub available: bool,
}

/// One line of an items or questions file.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// Unique inside the tenant.
    pub id: String,
    /// The question.
    pub text: String,
    /// Its answer.
    #[serde(default)]
    pub answer: String,
    /// The part of the business.
    #[serde(default)]
    pub area: String,
    /// Who answered.
    pub expert: String,
    /// Others who were right too.
    #[serde(default)]
    pub also: Vec<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// Which part of a data set this is; the sample has a file for each.
    pub split: Option<Split>,
}

/// The parts of a data set, in order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose settings on.
    Valid,
    /// To be asked once, for the report.
    Test,
}

/// The sample's `tenant.json`.
#[derive(Deserialize)]
struct About {
    tenant: String,
    display_name: String,
    vertical: String,
}

impl Split {
    /// All, in order of time.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// As files and command lines name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

impl Tenant {
    /// The resource name.
    #[must_use]
    pub fn name(&self) -> String {
        format!("tenants/{}", self.id)
    }
}

impl Person {
    /// As the contract has it.
    #[must_use]
    pub fn to_wire(&self) -> v1::Expert {
        v1::Expert {
            expert_id: self.id.clone(),
            display_name: Some(self.display_name.clone()),
            profile: Some(self.profile.clone()),
            inactive: Some(!self.active),
            unavailable: Some(!self.available),
            update_time: None,
        }
    }
}

impl Row {
    /// Everyone who counts as right, the main one first, nobody twice; nobody where nobody has answered yet.
    pub fn right(&self) -> impl Iterator<Item = &str> {
        let main = std::iter::once(self.expert.as_str());
        let main = main.filter(|expert| !expert.is_empty());
        main.chain(
            self.also
                .iter()
                .map(String::as_str)
                .filter(|other| *other != self.expert),
        )
    }

    /// As the contract has it.
    #[must_use]
    pub fn to_wire(&self) -> v1::Item {
        v1::Item {
            item_id: self.id.clone(),
            text: self.text.clone(),
            answer: self.answer.clone(),
            area: self.area.clone(),
            experts: self.right().map(str::to_owned).collect(),
            occur_time: Some(api::timestamp(self.at)),
            ..Default::default()
        }
    }
}

/// Reads the sample, or the named tenants of it.
///
/// # Errors
/// A file that is missing or malformed; a name that is not there.
pub fn sample(workspace: &Path, only: &[String]) -> Result<Vec<Tenant>> {
    let folder = workspace.join(SAMPLE);
    let mut tenants = Vec::new();
    for entry in sorted_entries(&folder)?
        .into_iter()
        .filter(|entry| entry.is_dir())
    {
        let about: About = serde_json::from_slice(&fs::read(entry.join("tenant.json"))?)
            .with_context(|| format!("{}/tenant.json", entry.display()))?;
        tenants.push(Tenant {
            id: about.tenant,
            display_name: about.display_name,
            vertical: about.vertical,
            people: read_lines(&entry.join("experts.jsonl"))?,
            items: read_lines(&entry.join("items.jsonl"))?,
            questions: read_lines(&entry.join("questions.jsonl"))?,
        });
    }
    named(tenants, only, &folder)
}

/// Reads a folder of data, or the named tenants of it: `asked` becomes the questions, and what lies
/// before it in time becomes the items.
///
/// # Errors
/// A folder without data; a file that is malformed; a name that is not there.
pub fn data(folder: &Path, only: &[String], asked: Split) -> Result<Vec<Tenant>> {
    let folder = [folder.join("experts"), folder.to_owned()]
        .into_iter()
        .find(|folder| has_data(folder))
        .with_context(|| format!("{} has no *{COMPRESSED} file", folder.display()))?;
    let verticals = verticals(&folder.join("tenants.csv"))?;
    let mut tenants = Vec::new();
    for file in sorted_entries(&folder)? {
        let Some(id) = tenant_id(&file) else { continue };
        if only.is_empty() || only.contains(&id) {
            let vertical = verticals
                .get(&id)
                .cloned()
                .unwrap_or_else(|| NO_VERTICAL.to_owned());
            let tenant = tenant_of(id, vertical, read_lines(&file)?, asked);
            tenants.push(tenant.with_context(|| file.display().to_string())?);
        }
    }
    named(tenants, only, &folder)
}

fn yes() -> bool {
    true
}

fn tenant_of(id: String, vertical: String, rows: Vec<Row>, asked: Split) -> Result<Tenant> {
    let (mut items, mut questions) = (Vec::new(), Vec::new());
    for row in rows {
        match row.split {
            Some(split) if split < asked => items.push(row),
            Some(split) if split == asked => questions.push(row),
            Some(_) => {}
            None => bail!("item {} says no split", row.id),
        }
    }
    ensure!(
        !items.is_empty() && !questions.is_empty(),
        "nothing to learn from, or nothing to ask"
    );
    let people: BTreeSet<&str> = items.iter().flat_map(Row::right).collect();
    let people = people.into_iter().map(|id| Person {
        id: id.to_owned(),
        display_name: id.to_owned(),
        profile: String::new(),
        active: true,
        available: true,
    });
    let people = people.collect();
    Ok(Tenant {
        display_name: id.clone(),
        id,
        vertical,
        people,
        items,
        questions,
    })
}

fn named(tenants: Vec<Tenant>, only: &[String], folder: &Path) -> Result<Vec<Tenant>> {
    for name in only {
        ensure!(
            tenants.iter().any(|tenant| tenant.id == *name),
            "{} has no tenant {name}",
            folder.display()
        );
    }
    let wanted = |tenant: &Tenant| only.is_empty() || only.contains(&tenant.id);
    Ok(tenants.into_iter().filter(wanted).collect())
}

fn has_data(folder: &Path) -> bool {
    sorted_entries(folder).is_ok_and(|files| files.iter().any(|file| tenant_id(file).is_some()))
}

fn tenant_id(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    name.strip_suffix(COMPRESSED)
        .or_else(|| name.strip_suffix(PLAIN))
        .map(str::to_owned)
}

fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("no folder {}", folder.display()))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn verticals(file: &Path) -> Result<BTreeMap<String, String>> {
    let Ok(table) = fs::read_to_string(file) else {
        return Ok(BTreeMap::new());
    };
    let mut lines = table
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap_or_default();
    let column = |name| header.iter().position(|column| *column == name);
    let (Some(tenant), Some(vertical)) = (column("tenant"), column("vertical")) else {
        bail!("{} has no columns `tenant` and `vertical`", file.display());
    };
    let cell = |line: &[&str], place| line.get(place).map(|cell: &&str| (*cell).to_owned());
    Ok(lines
        .filter_map(|line| Some((cell(&line, tenant)?, cell(&line, vertical)?)))
        .collect())
}

fn read_lines<T: for<'a> Deserialize<'a>>(file: &Path) -> Result<Vec<T>> {
    let bytes = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let compressed = file.extension().is_some_and(|extension| extension == "gz");
    let bytes: Box<dyn Read> = if compressed {
        Box::new(MultiGzDecoder::new(bytes))
    } else {
        Box::new(bytes)
    };
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(bytes).lines().enumerate() {
        let place = || format!("{}, line {}", file.display(), number + 1);
        let line = line.with_context(place)?;
        if !line.trim().is_empty() {
            rows.push(serde_json::from_str(&line).with_context(place)?);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, expert: &str, also: &[&str], split: Split) -> Row {
        Row {
            id: id.to_owned(),
            text: "text".to_owned(),
            answer: String::new(),
            area: String::new(),
            expert: expert.to_owned(),
            also: also.iter().map(|&other| other.to_owned()).collect(),
            at: DateTime::UNIX_EPOCH,
            split: Some(split),
        }
    }

    #[test]
    fn what_lies_behind_the_asked_split_is_left_out() {
        let rows = || {
            vec![
                row("a", "ann", &["bob"], Split::Train),
                row("b", "cid", &[], Split::Valid),
                row("c", "dan", &[], Split::Test),
            ]
        };
        let ids = |rows: &[Row]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
        let tenant = tenant_of("t".into(), "v".into(), rows(), Split::Test).unwrap();
        assert_eq!(ids(&tenant.items), ["a", "b"]);
        assert_eq!(ids(&tenant.questions), ["c"]);
        let people: Vec<_> = tenant
            .people
            .iter()
            .map(|person| person.id.as_str())
            .collect();
        assert_eq!(people, ["ann", "bob", "cid"]);

        let tenant = tenant_of("t".into(), "v".into(), rows(), Split::Valid).unwrap();
        assert_eq!(ids(&tenant.items), ["a"]);
        assert_eq!(ids(&tenant.questions), ["b"]);
    }

    #[test]
    fn nobody_is_right_twice() {
        let row = row("a", "ann", &["bob", "ann"], Split::Train);
        assert_eq!(row.right().collect::<Vec<_>>(), ["ann", "bob"]);
    }

    #[test]
    fn the_sample_can_be_read_and_is_consistent() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let tenants = sample(&workspace, &[]).unwrap();
        let verticals: BTreeSet<_> = tenants.iter().map(|tenant| &tenant.vertical).collect();
        assert_eq!((tenants.len(), verticals.len()), (3, 2));
        for tenant in &tenants {
            assert!(
                tenant.people.len() >= 8 && tenant.items.len() >= 150,
                "{}",
                tenant.id
            );
            let known: BTreeSet<_> = tenant.people.iter().map(|one| one.id.as_str()).collect();
            let named = tenant
                .items
                .iter()
                .chain(&tenant.questions)
                .flat_map(Row::right);
            let unknown: Vec<_> = named.filter(|expert| !known.contains(expert)).collect();
            assert!(unknown.is_empty(), "{} names {unknown:?}", tenant.id);
        }
    }
}
