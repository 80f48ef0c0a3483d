//! Which build of which program runs.

/// Which build of which program runs: what a server says of itself on `/buildinfo`, and in the metric
/// `ambidex_build_info`, which is always 1.
///
/// ```
/// use ambidex::telemetry::Build;
///
/// // The revision is the build's to say: `GIT_REVISION=$(git rev-parse HEAD) cargo build`.
/// let build = Build::of("bookshop", env!("CARGO_PKG_VERSION")).revision(option_env!("GIT_REVISION"));
/// let admin = ambidex::server::Admin::at("127.0.0.1:9901").build(build);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Build {
    /// The program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The state of its sources, as whoever built it says.
    pub revision: Option<String>,
    /// The version of Ambidex.
    pub ambidex: &'static str,
    /// The compiler, `rustc 1.89.0 (29483883e 2025-08-04)`.
    pub rustc: &'static str,
    /// What the profile of the build derives from: `release` or `debug`.
    pub profile: &'static str,
    /// The machine it was built for.
    pub target: &'static str,
    /// The cargo features of Ambidex that are in it.
    pub features: Vec<&'static str>,
}

impl Build {
    /// A program of this name and version, built as this very one.
    pub fn of(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), ..Self::default() }
    }

    /// Says which state of its sources it was built from.
    #[must_use]
    pub fn revision(mut self, revision: Option<impl Into<String>>) -> Self {
        self.revision = revision.map(Into::into);
        self
    }

    /// What there is to say, each by its name.
    pub(crate) fn said(&self) -> [(&'static str, String); 8] {
        [
            ("name", self.name.clone()),
            ("version", self.version.clone()),
            ("revision", self.revision.clone().unwrap_or_default()),
            ("ambidex", self.ambidex.to_owned()),
            ("rustc", self.rustc.to_owned()),
            ("profile", self.profile.to_owned()),
            ("target", self.target.to_owned()),
            ("features", self.features.join(",")),
        ]
    }
}

/// Of Ambidex itself, where nobody says which program it is in.
impl Default for Build {
    fn default() -> Self {
        let own = env!("CARGO_PKG_VERSION");
        Self {
            name: "ambidex".to_owned(),
            version: own.to_owned(),
            revision: None,
            ambidex: own,
            rustc: env!("AMBIDEX_RUSTC"),
            profile: env!("AMBIDEX_PROFILE"),
            target: env!("AMBIDEX_TARGET"),
            features: features(),
        }
    }
}

fn features() -> Vec<&'static str> {
    let all = [
        ("config", cfg!(feature = "config")),
        ("opentelemetry", cfg!(feature = "opentelemetry")),
        ("otlp", cfg!(feature = "otlp")),
        ("prometheus", cfg!(feature = "prometheus")),
        ("tls", cfg!(feature = "tls")),
        ("yaml", cfg!(feature = "yaml")),
    ];
    all.into_iter().filter_map(|(name, is_on)| is_on.then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_knows_its_compiler_its_machine_and_its_features() {
        let build = Build::of("shop", "1.2.3").revision(Some("0af7651"));
        assert!(build.rustc.starts_with("rustc 1."), "{build:?}");
        assert!(["debug", "release"].contains(&build.profile), "{build:?}");
        assert!(build.target.contains(std::env::consts::ARCH), "{build:?}");
        // Whatever has a name in the manifest is named here.
        let manifest = include_str!("../../Cargo.toml");
        let features = manifest.split("[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
        let lines = features.lines().filter(|line| !line.starts_with('#'));
        let known: Vec<_> = lines.filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
        assert!(known.len() > 4, "{known:?}");
        if cfg!(all(
            feature = "config",
            feature = "otlp",
            feature = "prometheus",
            feature = "tls",
            feature = "yaml"
        )) {
            let mut named = build.features.clone();
            named.retain(|name| known.contains(name));
            let missing: Vec<_> = known.iter().filter(|name| !named.contains(name)).collect();
            assert!(missing.is_empty(), "{missing:?} are not named");
        }
    }
}
