//! Compiles the proto files without a `protoc`: protox parses them, tonic-prost-build writes Rust.

use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 7] = [
    "tenantry/v1/resources.proto",
    "tenantry/v1/tenants.proto",
    "tenantry/v1/ingest.proto",
    "tenantry/v1/tasks.proto",
    "tenantry/v1/training.proto",
    "tenantry/v1/router.proto",
    "tenantry/v1/costs.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(FILES, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
