//! Commands for a person to go on with, exact enough to be pasted.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::scenario::Onboard;
use crate::server::Programs;
use crate::terminal::Screen;
use testkit::ServerProcess;
use testkit::content::SAMPLE;

/// Commands against the server that is running, with the keys in files.
///
/// # Errors
/// When a key cannot be written.
pub fn while_it_runs(
    screen: Screen,
    programs: &Programs,
    server: &ServerProcess,
    boarded: &[Onboard],
) -> Result<()> {
    let keys = server.folder().join("keys");
    fs::create_dir_all(&keys)?;
    for one in boarded {
        write_key(
            &keys,
            &format!("{}.backend.key", one.tenant.id),
            &one.backend_key,
        )?;
        write_key(
            &keys,
            &format!("{}.admin.key", one.tenant.id),
            &one.admin_key,
        )?;
    }
    println!("  {}", screen.dim("# in another terminal"));
    println!("  export PATH=\"{}:$PATH\"", folder_of(&programs.server));
    println!("  export TENANTRY_ENDPOINT={}", server.endpoint);
    let operator = server.operator_key_file();
    println!("\n  {}", screen.dim("# as the operator"));
    println!("  tenantry --key-file {} tenants list", operator.display());
    if let Some(one) = boarded.first() {
        let id = &one.tenant.id;
        let key = |role: &str| keys.join(format!("{id}.{role}.key")).display().to_string();
        let question = one
            .tenant
            .questions
            .first()
            .map_or("Who knows?", |row| row.text.as_str());
        let question = question
            .lines()
            .next()
            .unwrap_or_default()
            .replace(['"', '`', '$', '\\'], "");
        println!("\n  {}", screen.dim("# as a customer's backend"));
        println!("  export TENANTRY_TENANT={id}");
        println!("  export TENANTRY_KEY_FILE={}", key("backend"));
        println!("  tenantry recommend --show-texts \"{question}\"");
        println!("  tenantry similar \"{question}\"");
        println!("\n  {}", screen.dim("# as its administrator"));
        println!("  export TENANTRY_KEY_FILE={}", key("admin"));
        println!("  tenantry models list");
        println!("  tenantry models train --wait");
    }
    println!("\n  {}", screen.dim("# what Prometheus would read"));
    println!("  curl {}/metrics", server.metrics);
    Ok(())
}

/// Commands that start a server of one's own.
pub fn afterwards(screen: Screen, programs: &Programs) {
    println!(
        "  {}",
        screen.dim("# this again, and the server stays up, with commands to paste")
    );
    println!("  cargo xtask demo --keep");
    println!(
        "\n  {}",
        screen.dim("# or a server of your own; its operator's key will be in ./tenantry-data")
    );
    println!("  export PATH=\"{}:$PATH\"", folder_of(&programs.server));
    println!("  tenantry serve --data-dir ./tenantry-data");
    println!("\n  {}", screen.dim("# and in another terminal"));
    println!("  export TENANTRY_KEY_FILE=./tenantry-data/operator.key");
    println!("  tenantry tenants create acme --name 'Acme Ltd' --vertical healthcare");
    let sample = format!("{SAMPLE}/harbor-health");
    println!("  tenantry experts import -t acme {sample}/experts.jsonl");
    println!("  tenantry items ingest -t acme {sample}/items.jsonl --wait-indexed");
    println!("  tenantry models train -t acme --wait");
    println!("  tenantry recommend -t acme --show-texts 'Do you encrypt backups at rest?'");
}

fn folder_of(program: &Path) -> std::path::Display<'_> {
    program.parent().unwrap_or(Path::new(".")).display()
}

/// Writes a secret that only its owner can read.
fn write_key(folder: &Path, name: &str, secret: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let path: PathBuf = folder.join(name);
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(file, "{secret}")?;
    Ok(())
}
