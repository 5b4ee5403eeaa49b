//! Compiles the proto files without a `protoc`: protox parses them, tonic-prost-build writes Rust.

use std::fmt::Write as _;
use std::path::PathBuf;

use protox::prost_reflect::{DescriptorPool, Kind};

const FILES: [&str; 8] = [
    "tenantry/v1/options.proto",
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
    let mut compiler = protox::Compiler::new([&root])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(FILES)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Encoded by the compiler: the structs of prost-types would drop our own options.
    let descriptors = compiler.encode_file_descriptor_set();
    std::fs::write(out.join("descriptors.bin"), descriptors)?;
    let parents = parents(&compiler.descriptor_pool())?;
    std::fs::write(out.join("parents.rs"), parents)?;
    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// `HasParent` for each request with a text field `parent`.
fn parents(pool: &DescriptorPool) -> Result<String, std::fmt::Error> {
    let mut code = String::new();
    for message in pool.all_messages() {
        let parent = message.get_field_by_name("parent");
        let ours = message.package_name() == "tenantry.v1" && message.name().ends_with("Request");
        if ours && parent.is_some_and(|field| field.kind() == Kind::String) {
            let name = message.name();
            writeln!(
                code,
                "impl HasParent for v1::{name} {{ fn parent(&self) -> &str {{ &self.parent }} }}"
            )?;
        }
    }
    Ok(code)
}
