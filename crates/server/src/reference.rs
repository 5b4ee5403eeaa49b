//! The reference pages under `docs/`: generated from the code, or held against it, so that none goes
//! stale. `cargo xtask check-reference --accept` writes the generated ones again.

use std::fs;
use std::path::{Path, PathBuf};

mod configuration;
mod metrics;
mod permissions;
mod reasons;

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a page.
fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs").join(name)).unwrap_or_default()
}

/// Fails when the page is not what was generated, unless it is to be written again.
fn assert_page(name: &str, generated: &str) {
    if std::env::var_os("TENANTRY_ACCEPT_REFERENCE").is_some() {
        fs::write(root().join("docs").join(name), generated).unwrap();
    }
    assert!(
        page(name) == generated,
        "docs/{name} is stale: run `cargo xtask check-reference --accept` and commit it"
    );
}

/// The Rust sources of the product, without tests.
fn sources() -> Vec<String> {
    let mut texts = Vec::new();
    for folder in ["crates", "services"] {
        collect(&root().join(folder), &mut texts);
    }
    assert!(texts.len() > 100, "the sources were not found");
    texts
}

fn collect(folder: &Path, texts: &mut Vec<String>) {
    const NOT_SERVED: [&str; 7] = [
        "target",
        "tests",
        "examples",
        "xtask",
        "cli",
        "benchmarks",
        "testkit",
    ];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !NOT_SERVED.contains(&name.as_str()) {
            collect(&path, texts);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let product = text.split("#[cfg(test)]\nmod tests").next();
            texts.push(product.unwrap_or_default().to_owned());
        }
    }
}

/// What stands in quotes in a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}
