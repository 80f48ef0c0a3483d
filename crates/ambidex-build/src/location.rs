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

/// Line and column of `path`, counted from one. Where it has no place of its own, the place is
/// that of the first thing inside it (an option that is set field by field), or else of the
/// innermost thing around it. A file without source code info has no places.
pub(crate) fn line_and_column(file: &FileDescriptorProto, path: &[i32]) -> Option<(i32, i32)> {
    let locations = &file.source_code_info.as_ref()?.location;
    let inside = locations.iter().filter(|location| location.path.starts_with(path));
    let nearest = inside.min_by_key(|location| location.path.len()).or_else(|| {
        (1..path.len())
            .rev()
            .find_map(|length| locations.iter().find(|location| location.path == path[..length]))
    })?;
    match nearest.span[..] {
        [line, column, ..] => Some((line + 1, column + 1)),
        _ => None,
    }
}
