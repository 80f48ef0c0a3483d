//! Where in a proto file something stands, for error messages. It owns the reading of source
//! code info; the paths into a file that it is asked for are those of `descriptor.proto`.

use prost_types::FileDescriptorProto;

/// Field numbers of `descriptor.proto`, which paths into a file are made of.
pub(crate) mod step {
    pub(crate) const FILE_MESSAGE: i32 = 4;
    pub(crate) const FILE_ENUM: i32 = 5;
    pub(crate) const FILE_SERVICE: i32 = 6;
    pub(crate) const SERVICE_METHOD: i32 = 2;
    pub(crate) const METHOD_OPTIONS: i32 = 4;
    pub(crate) const OPTIONS_HTTP: i32 = 72_295_728;
    pub(crate) const MESSAGE_FIELD: i32 = 2;
    pub(crate) const MESSAGE_NESTED: i32 = 3;
    pub(crate) const MESSAGE_ENUM: i32 = 4;
    pub(crate) const MESSAGE_ONEOF: i32 = 8;
    pub(crate) const ENUM_VALUE: i32 = 2;
}

/// `LINE:COL` of the innermost thing around `path` that has a place of its own, counted from one;
/// nothing for a file without source code info.
pub(crate) fn line_and_column(file: &FileDescriptorProto, path: &[i32]) -> Option<(i32, i32)> {
    let info = file.source_code_info.as_ref()?;
    (1..=path.len()).rev().find_map(|length| {
        let location = info.location.iter().find(|location| location.path == path[..length])?;
        match location.span[..] {
            [line, column, ..] => Some((line + 1, column + 1)),
            _ => None,
        }
    })
}
