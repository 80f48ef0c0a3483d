//! Documentation of generated code, taken from the comments in protos. `markdown` makes a comment
//! fit for rustdoc, `marks` brings it to the right place in the generated code.

mod edits;
mod markdown;
mod marks;

pub(crate) use marks::{BLANK_LINE, DocMarks};
