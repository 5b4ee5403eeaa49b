//! The tenant that `bench` asks: as large as wanted, and questions that were never seen.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};

use testkit::content::{self, Row, Split, Tenant};

/// Wordings that make the sample's few texts many. They change what is asked for, as customers do.
const OPENINGS: [&str; 8] = [
    "",
    "For our annual review: ",
    "Please answer in two sentences. ",
    "Our legal team asks: ",
    "Following up on last week's call, ",
    "For the European subsidiary: ",
    "Section 4, mandatory requirement: ",
    "We are a hospital group of 12 sites. ",
];
const CLOSINGS: [&str; 8] = [
    "",
    " Please attach evidence.",
    " Does this hold for subcontractors too?",
    " Who is accountable for it?",
    " How is it monitored?",
    " When was it last tested?",
    " Name the exceptions, if any.",
    " Is it part of the standard price?",
];

/// Makes the tenant, and says what it is made of.
///
/// # Errors
/// Content that cannot be read, or is too little.
pub fn tenant(root: &Path, data: Option<&Path>, items: usize) -> Result<(String, Tenant)> {
    match data {
        Some(folder) => from_data(folder, items),
        None => from_sample(root, items),
    }
}

/// Small tenants with content of their own, and questions of the same kinds, at most `most` of them.
/// The same arguments give the same tenants.
///
/// # Errors
/// Content that cannot be read, or is too little.
pub fn many(
    root: &Path,
    data: Option<&Path>,
    (count, items): (usize, usize),
) -> Result<Vec<Tenant>> {
    let sources = match data {
        Some(folder) => content::data(folder, &[], Split::Test)?,
        None => content::sample(root, &[])?
            .into_iter()
            .map(many_worded)
            .collect(),
    };
    let sources: Vec<Tenant> = sources
        .into_iter()
        .filter(|source| source.items.len() >= items && !source.questions.is_empty())
        .collect();
    ensure!(
        !sources.is_empty(),
        "no tenant of the content has {items} items and a question"
    );
    let tenant = |number: usize| {
        let source = &sources[number % sources.len()];
        // Another part of the source for each.
        let room = source.items.len() - items + 1;
        let first = number / sources.len() * 97 % room;
        Tenant {
            id: format!("load-{number}"),
            display_name: format!("Load {number}"),
            items: source.items[first..first + items].to_vec(),
            ..source.clone()
        }
    };
    Ok((0..count).map(tenant).collect())
}

/// A tenant of the sample with its items in every wording, in order of time.
fn many_worded(tenant: Tenant) -> Tenant {
    let mut items: Vec<Row> = reworded(&tenant.items).collect();
    items.sort_by_key(|row| row.at);
    Tenant { items, ..tenant }
}

/// The same tenant with its items spread over `count` experts, evenly where it had fewer: the same
/// words stay with the same expert.
#[must_use]
pub fn with_experts(tenant: Tenant, count: usize) -> Tenant {
    let names: BTreeSet<String> = tenant.items.iter().map(|row| row.expert.clone()).collect();
    let parts = count.div_ceil(names.len().max(1));
    let new = |row: &Row| {
        let place = names.range(..row.expert.clone()).count();
        let letters: usize = row.id.split('.').take(2).map(letters).sum();
        format!("e-{}", (place * parts + letters % parts) % count)
    };
    let items = tenant.items.iter().map(|row| Row {
        expert: new(row),
        also: Vec::new(),
        ..row.clone()
    });
    let items: Vec<Row> = items.collect();
    let used: BTreeSet<&str> = items.iter().map(|row| row.expert.as_str()).collect();
    let people = used.into_iter().map(|id| content::Person {
        id: id.to_owned(),
        display_name: id.to_owned(),
        profile: String::new(),
        active: true,
        available: true,
    });
    Tenant {
        people: people.collect(),
        items,
        ..tenant
    }
}

/// A number that is the same for the same text.
fn letters(text: &str) -> usize {
    text.bytes().map(usize::from).sum()
}

/// Splits questions into a series of whole texts and one of first lines; no text is in both.
#[must_use]
pub fn two_series(questions: &[Row], size: usize) -> (Vec<String>, Vec<String>) {
    let mut seen = BTreeSet::new();
    let mut new = |text: &str| seen.insert(text.to_owned()).then(|| text.to_owned());
    let whole: Vec<String> = questions
        .iter()
        .filter_map(|row| new(&row.text))
        .take(size)
        .collect();
    // Other questions first; where they run out, the first lines of those that were asked whole.
    let first_line = |row: &Row| row.text.lines().next().map(|line| line.trim().to_owned());
    let short = questions
        .iter()
        .skip(size)
        .chain(questions.iter().take(size));
    let short = short.filter_map(first_line).filter(|line| !line.is_empty());
    let short = short.filter_map(|line| new(&line)).take(size).collect();
    (whole, short)
}

/// The largest tenant, filled up with the next ones, whose people keep apart by a prefix.
fn from_data(folder: &Path, items: usize) -> Result<(String, Tenant)> {
    let mut tenants = content::data(folder, &[], Split::Test)?;
    tenants.sort_by_key(|tenant| std::cmp::Reverse(tenant.items.len()));
    let mut all = empty();
    let mut parts = Vec::new();
    for tenant in tenants {
        let room = items.saturating_sub(all.items.len());
        let part = prefixed(tenant, room);
        if !part.items.is_empty() {
            parts.push(format!("{} of {}", part.items.len(), part.id));
        }
        all.people.extend(part.people);
        all.items.extend(part.items);
        all.questions.extend(part.questions);
    }
    ensure!(
        all.items.len() == items,
        "the data has {} items only",
        all.items.len()
    );
    Ok((parts.join(" and "), all))
}

/// Every item of every tenant of the sample, in as many wordings as are needed.
fn from_sample(root: &Path, items: usize) -> Result<(String, Tenant)> {
    let (mut all, mut plain) = (empty(), Vec::new());
    for tenant in content::sample(root, &[])? {
        let (wanted, had) = (tenant.items.len(), tenant.questions.len());
        let part = prefixed(tenant, wanted);
        ensure!(had > 0, "{} asks nothing", part.id);
        all.people.extend(part.people);
        plain.extend(part.items);
        all.questions.extend(part.questions);
    }
    let own = plain.len();
    let possible = own * OPENINGS.len() * CLOSINGS.len();
    ensure!(
        items <= possible,
        "the sample can be worded into {possible} items at most"
    );
    all.items = reworded(&plain).take(items).collect();
    all.items.sort_by_key(|row| row.at);
    all.questions = reworded(&std::mem::take(&mut all.questions)).collect();
    Ok((format!("the sample's {own}, worded differently"), all))
}

fn empty() -> Tenant {
    Tenant {
        id: "bench".to_owned(),
        display_name: "Bench".to_owned(),
        vertical: "bench".to_owned(),
        people: Vec::new(),
        items: Vec::new(),
        questions: Vec::new(),
    }
}

/// The newest `room` items, and ids that no other tenant has.
fn prefixed(tenant: Tenant, room: usize) -> Tenant {
    let Tenant { id, .. } = &tenant;
    let with = |name: &str| format!("{id}.{name}");
    let skipped = tenant.items.len().saturating_sub(room);
    let row = |row: &Row| Row {
        id: with(&row.id),
        expert: with(&row.expert),
        also: row.also.iter().map(|other| with(other)).collect(),
        ..row.clone()
    };
    let people = if room == 0 {
        &[][..]
    } else {
        &tenant.people[..]
    };
    let person = |person: &content::Person| content::Person {
        id: with(&person.id),
        ..person.clone()
    };
    Tenant {
        people: people.iter().map(person).collect(),
        items: tenant.items.iter().skip(skipped).map(row).collect(),
        questions: tenant.questions.iter().map(row).collect(),
        ..tenant
    }
}

/// All rows in one wording, then all in the next.
fn reworded(rows: &[Row]) -> impl Iterator<Item = Row> {
    let wordings = OPENINGS
        .iter()
        .flat_map(|opening| CLOSINGS.iter().map(move |end| (opening, end)));
    wordings
        .enumerate()
        .flat_map(move |(number, (opening, closing))| {
            rows.iter().map(move |row| Row {
                id: format!("{}.{number}", row.id),
                text: format!("{opening}{}{closing}", row.text),
                ..row.clone()
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_becomes_as_many_different_items_as_wanted() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (what, tenant) = from_sample(&root, 4000).unwrap();
        let texts: BTreeSet<_> = tenant.items.iter().map(|row| &row.text).collect();
        let ids: BTreeSet<_> = tenant.items.iter().map(|row| &row.id).collect();
        assert_eq!((tenant.items.len(), ids.len()), (4000, 4000), "{what}");
        assert!(texts.len() > 3900, "{} of 4,000 texts differ", texts.len());
        let (whole, short) = two_series(&tenant.questions, 1000);
        let asked: BTreeSet<_> = whole.iter().chain(&short).collect();
        assert_eq!((whole.len(), short.len(), asked.len()), (1000, 1000, 2000));
        assert!(asked.iter().all(|text| !texts.contains(text)));
    }

    #[test]
    fn small_tenants_have_parts_of_their_own() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let tenants = many(&root, None, (20, 200)).unwrap();
        let ids: BTreeSet<_> = tenants.iter().map(|tenant| &tenant.id).collect();
        assert_eq!((tenants.len(), ids.len()), (20, 20));
        assert!(tenants.iter().all(|tenant| tenant.items.len() == 200));
        let firsts: BTreeSet<_> = tenants.iter().map(|tenant| &tenant.items[0].id).collect();
        assert!(firsts.len() > 15, "{} different parts", firsts.len());
        assert!(many(&root, None, (1, 1_000_000)).is_err());
    }

    #[test]
    fn items_are_spread_over_experts() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (_, tenant) = from_sample(&root, 4000).unwrap();
        let spread = with_experts(tenant, 50);
        assert!(
            (45..=50).contains(&spread.people.len()),
            "{}",
            spread.people.len()
        );
        let known: BTreeSet<_> = spread.people.iter().map(|one| &one.id).collect();
        assert!(spread.items.iter().all(|row| known.contains(&row.expert)));
    }

    #[test]
    fn questions_are_asked_once() {
        let row = |text: &str| Row {
            id: text.to_owned(),
            text: text.to_owned(),
            answer: String::new(),
            area: String::new(),
            expert: String::new(),
            also: Vec::new(),
            at: chrono::DateTime::UNIX_EPOCH,
            split: None,
        };
        let rows = [row("One\n\nmore"), row("Two"), row("Two"), row("One")];
        let (whole, short) = two_series(&rows, 10);
        assert_eq!(whole, ["One\n\nmore", "Two", "One"]);
        assert!(short.is_empty());
    }
}
