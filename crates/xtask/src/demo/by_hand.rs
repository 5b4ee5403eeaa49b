//! Commands for a person to go on with, exact enough to be pasted.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::platform::Prepared;
use crate::server_process::ServerProcess;
use crate::show::Screen;
use crate::trial::Onboard;

/// Commands against the server that is running, with the keys in files.
///
/// # Errors
/// When a key cannot be written.
pub fn while_it_runs(
    screen: Screen,
    prepared: &Prepared,
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
    let program = prepared.executable.display();
    println!("  {}", screen.dim("# in another terminal"));
    println!("  export TENANTRY_ENDPOINT={}", server.endpoint);
    println!("  alias tenantry={program}");
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
        println!(
            "  export TENANTRY_KEY_FILE={} TENANTRY_TENANT={id}",
            key("backend")
        );
        println!("  tenantry recommend \"{question}\"");
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
pub fn afterwards(screen: Screen, prepared: &Prepared) {
    println!(
        "  {}",
        screen.dim("# the same again, and the server stays up, with commands to paste")
    );
    println!("  cargo xtask demo --keep");
    println!(
        "\n  {}",
        screen.dim("# a server of your own; it writes the operator's key into its folder")
    );
    println!(
        "  {} serve --data-dir ./data",
        prepared.executable.display()
    );
    println!("\n  {}", screen.dim("# everything else"));
    println!("  {} --help", prepared.executable.display());
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
