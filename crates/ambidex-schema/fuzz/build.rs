//! Compiles the protos of the tests, which are as rich as protobuf allows.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../tests/proto");
    let mut compiler = protox::Compiler::new(["../tests/proto"])?;
    compiler.include_imports(true);
    compiler.open_files(["test/v1/rich.proto", "test/v1/legacy.proto"])?;
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?).join("protos.bin");
    std::fs::write(out, compiler.encode_file_descriptor_set())?;
    Ok(())
}
