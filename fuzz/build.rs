//! Generates the code of the tests' own service.

fn main() -> Result<(), ambidex_build::Error> {
    ambidex_build::compile(&["../proto/edge/v1/edge.proto"], &["../proto"])
}
