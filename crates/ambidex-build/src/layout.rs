//! Small corrections to what the formatter makes of generated code, for the people who read it.

/// Puts the type arguments of a method call back on the line of the call, where the formatter
/// gives each a line of its own as soon as the call holds a closure.
pub(crate) fn join_type_arguments(code: &str) -> String {
    let mut joined = String::with_capacity(code.len());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        joined.push_str(line);
        if line.trim_start().starts_with('.') && line.ends_with("::<") {
            let mut arguments = Vec::new();
            for argument in lines.by_ref() {
                let argument = argument.trim_start();
                if let Some(rest) = argument.strip_prefix('>') {
                    joined.push_str(arguments.join(" ").trim_end_matches(','));
                    joined.push('>');
                    joined.push_str(rest);
                    break;
                }
                arguments.push(argument);
            }
        }
        joined.push('\n');
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::join_type_arguments;

    #[test]
    fn type_arguments_stand_beside_the_call() {
        let code = "methods\n    .unary::<\n        GetBook,\n        _,\n    >(\n        call,\n    );\n";
        assert_eq!(join_type_arguments(code), "methods\n    .unary::<GetBook, _>(\n        call,\n    );\n");
    }

    #[test]
    fn other_code_is_left_alone() {
        let code = "let x = f::<\n    A,\n>(b);\n\nstruct X;\n";
        assert_eq!(join_type_arguments(code), code);
    }
}
