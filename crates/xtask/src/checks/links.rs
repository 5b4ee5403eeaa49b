//! Links between the documents: each relative one leads to a file that exists, and to a heading it has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders whose Markdown files are documents, beside those at the root.
const FOLDERS: [&str; 3] = ["docs", "proto", "deploy"];

/// A line for each relative link that leads nowhere.
///
/// # Errors
/// When a file or folder cannot be read.
pub fn violations(root: &Path) -> Result<Vec<String>> {
    let mut documents = Vec::new();
    collect(root, false, &mut documents)?;
    for folder in FOLDERS {
        collect(&root.join(folder), true, &mut documents)?;
    }
    documents.sort();
    let mut violations = Vec::new();
    for document in documents {
        let text = read(&document)?;
        let folder = document.parent().unwrap_or(root);
        for link in links(&text) {
            if !leads_somewhere(&document, folder, &link)? {
                let name = document.strip_prefix(root).unwrap_or(&document);
                violations.push(format!("{}: the link {link} leads nowhere", name.display()));
            }
        }
    }
    Ok(violations)
}

fn collect(folder: &Path, deep: bool, documents: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if deep {
                collect(&path, deep, documents)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            documents.push(path);
        }
    }
    Ok(())
}

fn leads_somewhere(document: &Path, folder: &Path, link: &str) -> Result<bool> {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => document.to_owned(),
        file => folder.join(file),
    };
    if !target.exists() {
        return Ok(false);
    }
    let is_document = target
        .extension()
        .is_some_and(|extension| extension == "md");
    if heading.is_empty() || !is_document {
        return Ok(true);
    }
    Ok(prose(&read(&target)?).any(|line| anchor(line).as_deref() == Some(heading)))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Lines outside of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// Targets of relative links.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(text) {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else {
                break;
            };
            if !target.contains("://") {
                links.push(target.to_owned());
            }
            rest = after;
        }
    }
    links
}

/// What a heading is linked by: lower case, without punctuation, dashes for blanks.
fn anchor(line: &str) -> Option<String> {
    let heading = line.trim_start_matches('#');
    let is_heading = heading.len() < line.len() && heading.starts_with(' ');
    is_heading.then(|| {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let heading = heading.trim().to_lowercase();
        let dashed = heading.chars().filter(kept);
        dashed.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "# Index\n[a](docs/a.md#two-words), [web](https://example.org), [here](#index)\n\
                         ```\n[not](a-link.md)\n```\n";

    #[test]
    fn links_of_a_page_are_found_outside_of_fences() {
        assert_eq!(links(INDEX), ["docs/a.md#two-words", "#index"]);
        assert_eq!(anchor("## Two, *words*").as_deref(), Some("two-words"));
        assert_eq!(anchor("#not a heading"), None);
    }

    #[test]
    fn a_link_needs_its_file_and_its_heading() {
        let root = tempfile::tempdir().unwrap();
        for folder in FOLDERS {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        fs::write(root.path().join("README.md"), INDEX).unwrap();
        let page = root.path().join("docs/a.md");
        let missing = ["README.md: the link docs/a.md#two-words leads nowhere"];
        assert_eq!(violations(root.path()).unwrap(), missing);
        fs::write(&page, "## Another\n").unwrap();
        assert_eq!(violations(root.path()).unwrap(), missing);
        fs::write(&page, "## Two words\n").unwrap();
        assert!(violations(root.path()).unwrap().is_empty());
    }
}
