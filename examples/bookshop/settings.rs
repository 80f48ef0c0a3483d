//! Owns what can be set on the command line, and what holds where nothing is.

use std::path::PathBuf;

pub const USAGE: &str = "usage: bookshop [--address 127.0.0.1:8080] [--database bookshop.db]

The address may have port 0 for any that is free. The database is made if it is not there.";

/// How to run the shop.
#[derive(Debug, PartialEq, Eq)]
pub struct Settings {
    pub address: String,
    pub database: PathBuf,
}

impl Settings {
    /// Reads the arguments behind the name of the program; `None` if they are no settings.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Option<Self> {
        let mut settings = Self { address: "127.0.0.1:8080".to_owned(), database: "bookshop.db".into() };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--address" => settings.address = arguments.next()?,
                "--database" => settings.database = arguments.next()?.into(),
                _ => return None,
            }
        }
        Some(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &str) -> Option<Settings> {
        Settings::parse(arguments.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn settings_are_read_in_any_order() {
        let settings = parse("--database a.db --address [::1]:0").expect("settings");
        assert_eq!(settings, Settings { address: "[::1]:0".into(), database: "a.db".into() });
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for arguments in ["--help", "--address", "bookshop.db"] {
            assert_eq!(parse(arguments), None, "{arguments}");
        }
    }
}
