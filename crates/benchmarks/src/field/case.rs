//! A case: what is tried, and what must come of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    #[serde(skip)]
    pub name: String,
    #[serde(skip)]
    folder: PathBuf,
    /// What it stands for.
    pub about: String,
    /// Workbooks to be made of its CSV files.
    #[serde(default, rename = "workbook")]
    pub workbooks: Vec<Workbook>,
    /// Commands, one after the other.
    #[serde(rename = "run")]
    pub runs: Vec<Run>,
}

/// A workbook.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workbook {
    /// Its name.
    pub file: String,
    /// Its sheets, in order.
    pub sheets: Vec<Sheet>,
}

/// A sheet, made of a CSV file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    /// Its name.
    pub name: String,
    /// The CSV file, comma-separated.
    pub csv: String,
    /// Regions that are merged, such as `A2:A4`.
    #[serde(default)]
    pub merged: Vec<String>,
    /// Columns whose days are written as dates, such as `C`.
    #[serde(default)]
    pub dates: Vec<String>,
    /// Numbers are written as numbers.
    #[serde(default)]
    pub numbers: bool,
}

/// One command, and what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The arguments; the tenant and `-o json` are added.
    pub args: Vec<String>,
    /// How it ends.
    #[serde(default)]
    pub exit: i32,
    /// Rows that went in.
    pub accepted: Option<u64>,
    /// Rows that did not.
    #[serde(default)]
    pub rejected: u64,
    /// The same by reason.
    #[serde(default)]
    pub reasons: BTreeMap<String, u64>,
    /// What must be said.
    #[serde(default)]
    pub says: Vec<String>,
    /// Questions that have an expert in the workbook that `--out` names.
    pub answered: Option<usize>,
}

impl Case {
    /// Copies the files of the case to a folder.
    ///
    /// # Errors
    /// When they cannot be copied.
    pub fn copy_to(&self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.is_file() {
                fs::copy(&path, folder.join(path.file_name().unwrap_or_default()))?;
            }
        }
        Ok(())
    }
}

/// The cases of a folder, by name.
///
/// # Errors
/// When one cannot be read.
pub fn all(folder: &Path, only: &str) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let folder = entry?.path();
        let file = folder.join("case.toml");
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if !file.is_file() || !name.contains(only) {
            continue;
        }
        let text = fs::read_to_string(&file)?;
        let mut case: Case = toml::from_str(&text).with_context(|| file.display().to_string())?;
        ensure!(!case.runs.is_empty(), "{} tries nothing", file.display());
        case.name = name.into_owned();
        case.folder = folder;
        cases.push(case);
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(cases)
}
