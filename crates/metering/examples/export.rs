//! Writes a sample of the FOCUS export, as CSV and as Parquet, to the two paths that are given.

use std::fs::File;

use tenantry_metering::export::focus::{FocusContext, focus_rows, write_csv, write_parquet};

mod sample;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args_os().skip(1);
    let csv = paths.next().unwrap_or_else(|| "focus.csv".into());
    let parquet = paths.next().unwrap_or_else(|| "focus.parquet".into());
    let sample = sample::Sample::new(40);
    let rows = focus_rows(
        &sample.priced,
        &FocusContext {
            provider: "Tenantry",
            billing_account_id: "platform",
            billing_account_name: "The platform",
            tenant_names: &sample.names,
            late: &sample.usage,
        },
    )?;
    write_csv(&rows, File::create(csv)?)?;
    write_parquet(&rows, File::create(parquet)?)?;
    Ok(())
}
