//! Compile errors are the user's first documentation: each file in `ui/` makes a mistake, and beside it is what
//! the compiler says of it. What it says of correct code in `ui/pass/` is nothing.

#[test]
fn mistakes_are_explained_and_correct_code_is_not() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
