//! Options of every command that reads a file of rows.

use std::path::{Path, PathBuf};

use tables::times::TimeFormat;
use tables::{Column, Encoding, Mapping, Options};

use crate::error::CliError;
use crate::output::note;

/// How a file's rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FileFormat {
    /// JSON objects, one a line or in one list.
    Jsonl,
    /// Comma-, semicolon- or tab-separated values with a header.
    Csv,
    /// A workbook.
    Xlsx,
}

/// How a file is read.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Reading")]
pub struct TableArgs {
    /// How the rows are written [default: by name and content]
    #[arg(long)]
    pub format: Option<FileFormat>,
    /// What separates CSV columns [default: what fits most rows]
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    pub delimiter: Option<u8>,
    /// The encoding of the text, such as utf-8, utf-16le, windows-1252 [default: found in the file]
    #[arg(long, value_name = "NAME", value_parser = tables::encoding::named)]
    pub encoding: Option<&'static Encoding>,
    /// The sheet of a workbook [default: the one whose header names most fields]
    #[arg(long, value_name = "NAME")]
    pub sheet: Option<String>,
    /// The line or row of the header, from 1 [default: found below titles]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub header_row: Option<u64>,
    /// Which column is a field, such as text="Question Text"; may be given more than once
    /// [default: by the field's name and usual other names]
    #[arg(long = "column", value_name = "FIELD=NAME", value_parser = column)]
    pub column: Vec<(String, String)>,
    /// Read only these columns, by name or field
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Columns whose empty cells take the value above, such as area
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub fill_down: Vec<String>,
    /// A saved mapping that says all of this; options on the command line count more
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// Save how the file was understood, for --mapping the next time
    #[arg(long, value_name = "FILE")]
    pub save_mapping: Option<PathBuf>,
}

impl TableArgs {
    /// The options for `path`, with those of the saved mapping.
    ///
    /// # Errors
    /// When the mapping cannot be read.
    pub fn options(&self, path: &Path) -> Result<Options, CliError> {
        let mut mapping = match &self.mapping {
            Some(file) => saved(file)?,
            None => Mapping::default(),
        };
        mapping.columns.extend(self.column.iter().cloned());
        let over = |given: &[String], saved: &mut Vec<String>| {
            if !given.is_empty() {
                *saved = given.iter().map(|name| name.trim().to_owned()).collect();
            }
        };
        over(&self.columns, &mut mapping.keep);
        over(&self.fill_down, &mut mapping.fill_down);
        mapping.header_row = self.header_row.or(mapping.header_row);
        mapping.sheet = self.sheet.clone().or(mapping.sheet);
        Ok(Options {
            path: path.to_owned(),
            format: self.format.map(|format| match format {
                FileFormat::Jsonl => tables::Format::Jsonl,
                FileFormat::Csv => tables::Format::Csv,
                FileFormat::Xlsx => tables::Format::Xlsx,
            }),
            delimiter: self.delimiter,
            encoding: self.encoding,
            mapping,
        })
    }

    /// Saves the mapping with the fields that were found, where that was asked for.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, mapping: &Mapping, columns: &[Column]) -> Result<(), CliError> {
        let Some(path) = &self.save_mapping else {
            return Ok(());
        };
        let mut mapping = mapping.clone();
        let found = columns
            .iter()
            .filter_map(|column| Some((column.field?.to_owned(), column.name.clone())));
        mapping.columns.extend(found);
        std::fs::write(path, mapping.to_text()?).map_err(|error| {
            CliError::usage(format!("{} cannot be written: {error}", path.display()))
        })?;
        note(&format!(
            "the mapping is saved; next time: --mapping {}",
            path.display()
        ));
        Ok(())
    }
}

fn saved(path: &Path) -> Result<Mapping, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::usage(format!(
            "--mapping {} cannot be read: {error}",
            path.display()
        ))
    })?;
    let mapping = Mapping::parse(&text)
        .map_err(|error| CliError::usage(format!("--mapping {}: {error}", path.display())))?;
    if let Some(format) = &mapping.time_format {
        let told = |error| CliError::usage(format!("--mapping: time_format: {error}"));
        format.parse::<TimeFormat>().map_err(told)?;
    }
    if let Some(zone) = &mapping.time_zone {
        let told = |error| CliError::usage(format!("--mapping: time_zone: {error}"));
        tables::times::zone(zone).map_err(told)?;
    }
    Ok(mapping)
}

fn column(text: &str) -> Result<(String, String), String> {
    let (field, name) = text
        .split_once('=')
        .ok_or("write it as FIELD=NAME, such as text=\"Question Text\"")?;
    let (field, name) = (field.trim().to_lowercase(), name.trim());
    if field.is_empty() || name.is_empty() {
        return Err("write it as FIELD=NAME, such as text=\"Question Text\"".to_owned());
    }
    Ok((field, name.to_owned()))
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text {
        "tab" | "\\t" | "\t" => Ok(b'\t'),
        _ => match text.as_bytes() {
            [byte] if byte.is_ascii_punctuation() && *byte != b'"' => Ok(*byte),
            _ => Err("write one character such as ; or |, or `tab`".to_owned()),
        },
    }
}
