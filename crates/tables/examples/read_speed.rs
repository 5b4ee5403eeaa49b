//! How fast files are read, against the libraries below alone, in one run:
//! `cargo run --release -p tenantry-tables --example read_speed -- FILE.csv FILE.jsonl`
//!
//! Prints for each file the median of seven readings, what `csv` or `serde_json` alone take for the same
//! rows, and the ratio of the two.

#![allow(clippy::print_stdout, reason = "a command for people")]

use std::error::Error;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tenantry_tables::{Format, ITEMS, Options, open};

const READINGS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    for file in std::env::args_os().skip(1).map(PathBuf::from) {
        let (mut ours, mut alone) = (Vec::new(), Vec::new());
        let mut rows = 0;
        for _ in 0..READINGS {
            let begin = Instant::now();
            let (found, format) = read(&file)?;
            ours.push(begin.elapsed().as_secs_f64());
            rows = found;
            let begin = Instant::now();
            read_alone(&file, format)?;
            alone.push(begin.elapsed().as_secs_f64());
        }
        let (ours, alone) = (median(ours), median(alone));
        println!(
            "{}: {rows} rows in {ours:.3} s; the library alone {alone:.3} s; ratio {:.2}",
            file.display(),
            ours / alone
        );
    }
    Ok(())
}

fn read(path: &Path) -> Result<(u64, Format), Box<dyn Error>> {
    let options = Options {
        path: path.to_owned(),
        ..Options::default()
    };
    let mut file = open(&options, &ITEMS)?;
    let mut rows = 0;
    while file.next_record().is_some() {
        rows += 1;
    }
    Ok((rows, file.format))
}

fn read_alone(path: &Path, format: Format) -> Result<(), Box<dyn Error>> {
    if format == Format::Jsonl {
        for line in BufReader::new(File::open(path)?).lines() {
            std::hint::black_box(serde_json::from_str::<serde_json::Value>(&line?)?);
        }
        return Ok(());
    }
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path)?;
    for record in reader.records() {
        std::hint::black_box(record?);
    }
    Ok(())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
