//! Where the admin pages are, as configuration has it.

/// Where the admin pages are, over what the program says with [`ServerBuilder::admin`]: part of [`Config::admin`].
///
/// [`ServerBuilder::admin`]: crate::server::ServerBuilder::admin
/// [`Config::admin`]: crate::server::Config::admin
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "config",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct AdminConfig {
    /// Whether there are any, where the program or a setting says where.
    pub enabled: bool,
    /// An address of their own, `127.0.0.1:9901`, wherever the program has them, and also if it has none.
    pub address: Option<String>,
    /// The path of the HTTP port that they are below, `/admin`, in place of an address.
    pub path: Option<String>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        // The program knows whether there is anything to show, and who runs it who may see it.
        Self { enabled: true, address: None, path: None }
    }
}
