//! Paths to things in protos as the builder takes them: `.bookshop.v1.Bookshop`, `.bookshop.v1`,
//! or `.` for everything. It owns how such a path covers a full name.

/// A path, kept without the dot in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProtoPath(String);

impl ProtoPath {
    /// The dot in front may be missing: there is nothing that a path could be relative to.
    pub(crate) fn new(path: &str) -> Self {
        Self(path.strip_prefix('.').unwrap_or(path).to_owned())
    }

    /// Whether the path is that of `full_name` or of something it stands in.
    pub(crate) fn covers(&self, full_name: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        match full_name.strip_prefix(&self.0) {
            Some(rest) => rest.is_empty() || rest.starts_with('.'),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ProtoPath;

    #[test]
    fn a_path_covers_itself_and_what_is_inside() {
        let path = ProtoPath::new(".bookshop.v1");
        assert!(path.covers("bookshop.v1"));
        assert!(path.covers("bookshop.v1.Bookshop"));
        assert!(!path.covers("bookshop.v10.Bookshop"));
        assert!(!path.covers("bookshop"));
    }

    #[test]
    fn a_lone_dot_covers_everything() {
        assert!(ProtoPath::new(".").covers("bookshop.v1.Bookshop"));
    }
}
