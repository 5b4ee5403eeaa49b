//! `cargo xtask check-imports`: the rules that a compiler does not know.
//!
//! Who may import whom, what every source file looks like, that no dependency is unused, that all builds
//! have one set of features, and that links between the documents lead somewhere.
//! Beside it `cargo xtask check-contract`, `check-alerts` and `check-reference`, each in a file of its own.

pub mod alerts;
pub mod contract;
mod directions;
mod features;
mod files;
mod links;
pub mod reference;
mod unused;

use anyhow::{Result, ensure};

use crate::workspace;

/// Runs the command.
///
/// # Errors
/// When a rule is broken; each violation is a line of its own.
pub fn run() -> Result<()> {
    let root = workspace::root()?;
    let members = workspace::members(&root)?.packages;
    let mut violations = directions::violations(&members);
    violations.extend(files::violations(&root, &members)?);
    violations.extend(unused::violations(&root, &members)?);
    violations.extend(features::violations(&root)?);
    violations.extend(links::violations(&root)?);
    for violation in &violations {
        println!("violation: {violation}");
    }
    ensure!(
        violations.is_empty(),
        "{} violations of the rules in crates/xtask/src/checks",
        violations.len()
    );
    println!("{} packages keep the rules", members.len());
    Ok(())
}
