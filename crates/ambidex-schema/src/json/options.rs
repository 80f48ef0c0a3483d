//! What a caller may choose about ProtoJSON, and the limits that hold whatever the caller chooses.

/// However deep the options allow, recursion stops here, because every level takes stack.
pub(crate) const DEPTH_CEILING: usize = 256;

/// How JSON text is read.
///
/// ```
/// use ambidex_schema::DecodeOptions;
///
/// let options = DecodeOptions::default().with_ignore_unknown_fields(true).with_max_depth(20);
/// assert!(options.ignore_unknown_fields);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct DecodeOptions {
    /// Skip members and enum names that the schema does not know instead of refusing them. Default: `false`.
    pub ignore_unknown_fields: bool,
    /// How many objects and arrays may nest. Default: 100; never more than 256.
    pub max_depth: usize,
    /// How many object members and array elements the text may have in all. Default: 1 000 000.
    pub max_elements: usize,
    /// How long the text may be, in bytes. Default: 64 MiB.
    pub max_bytes: usize,
    /// How long one string may be, in bytes and with its escapes. Default: no other limit than
    /// [`max_bytes`](Self::max_bytes).
    pub max_string_bytes: usize,
    /// How long one number may be, in bytes, quoted or not. Default: 1024, which is more than the longest
    /// double needs that is written without an exponent.
    pub max_number_bytes: usize,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            ignore_unknown_fields: false,
            max_depth: 100,
            max_elements: 1_000_000,
            max_bytes: 64 << 20,
            max_string_bytes: usize::MAX,
            max_number_bytes: 1024,
        }
    }
}

impl DecodeOptions {
    /// Sets [`ignore_unknown_fields`](Self::ignore_unknown_fields).
    #[must_use]
    pub fn with_ignore_unknown_fields(mut self, ignore: bool) -> Self {
        self.ignore_unknown_fields = ignore;
        self
    }

    /// Sets [`max_depth`](Self::max_depth).
    #[must_use]
    pub fn with_max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth;
        self
    }

    /// Sets [`max_elements`](Self::max_elements).
    #[must_use]
    pub fn with_max_elements(mut self, elements: usize) -> Self {
        self.max_elements = elements;
        self
    }

    /// Sets [`max_bytes`](Self::max_bytes).
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets [`max_string_bytes`](Self::max_string_bytes).
    #[must_use]
    pub fn with_max_string_bytes(mut self, bytes: usize) -> Self {
        self.max_string_bytes = bytes;
        self
    }

    /// Sets [`max_number_bytes`](Self::max_number_bytes).
    #[must_use]
    pub fn with_max_number_bytes(mut self, bytes: usize) -> Self {
        self.max_number_bytes = bytes;
        self
    }
}

/// How JSON text is written.
///
/// ```
/// use ambidex_schema::EncodeOptions;
///
/// let options = EncodeOptions::default().with_original_field_names(true).with_pretty(true);
/// assert!(!options.emit_unset_fields);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct EncodeOptions {
    /// Write `proto_name` instead of `protoName`. Default: `false`.
    pub original_field_names: bool,
    /// Also write fields without presence that hold their default: `0`, `""`, `false`, `[]`, `{}`. A field
    /// that knows its absence (`optional`, oneof member, message) is never invented. Default: `false`.
    pub emit_unset_fields: bool,
    /// Write enums as numbers instead of names. Default: `false`.
    pub enums_as_numbers: bool,
    /// Indent by two spaces. Default: `false`.
    pub pretty: bool,
    /// How deep messages may nest. Default: 100; never more than 256.
    pub max_depth: usize,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self {
            original_field_names: false,
            emit_unset_fields: false,
            enums_as_numbers: false,
            pretty: false,
            max_depth: 100,
        }
    }
}

impl EncodeOptions {
    /// Sets [`original_field_names`](Self::original_field_names).
    #[must_use]
    pub fn with_original_field_names(mut self, original: bool) -> Self {
        self.original_field_names = original;
        self
    }

    /// Sets [`emit_unset_fields`](Self::emit_unset_fields).
    #[must_use]
    pub fn with_emit_unset_fields(mut self, emit: bool) -> Self {
        self.emit_unset_fields = emit;
        self
    }

    /// Sets [`enums_as_numbers`](Self::enums_as_numbers).
    #[must_use]
    pub fn with_enums_as_numbers(mut self, numbers: bool) -> Self {
        self.enums_as_numbers = numbers;
        self
    }

    /// Sets [`pretty`](Self::pretty).
    #[must_use]
    pub fn with_pretty(mut self, pretty: bool) -> Self {
        self.pretty = pretty;
        self
    }

    /// Sets [`max_depth`](Self::max_depth).
    #[must_use]
    pub fn with_max_depth(mut self, depth: usize) -> Self {
        self.max_depth = depth;
        self
    }
}
