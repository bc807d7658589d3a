//! Whether a wheel is compatible with an interpreter, by its file name (PEP 427, PEP 425, PEP 600).

use std::fmt;

use super::name::normalised;

/// The parts of a wheel's file name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// Normalized distribution name.
    pub name: String,
    /// Version.
    pub version: String,
    python: Vec<String>,
    abi: Vec<String>,
    platform: Vec<String>,
}

/// Why a wheel is not compatible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelMismatch {
    /// The requirements of the wheel.
    pub wheel: String,
    /// The properties of the node.
    pub node: String,
}

impl fmt::Display for WheelMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the wheel is for {}, the node has {}", self.wheel, self.node)
    }
}

impl WheelName {
    /// Parses a file name: `name-version(-build)?-python-abi-platform.whl`.
    pub fn parse(file: &str) -> Option<Self> {
        let parts: Vec<&str> = file.strip_suffix(".whl")?.split('-').collect();
        let ([name, version, python, abi, platform] | [name, version, _, python, abi, platform]) = parts[..] else {
            return None;
        };
        let list = |tags: &str| tags.split('.').map(str::to_owned).collect();
        Some(Self {
            name: normalised(name),
            version: version.to_owned(),
            python: list(python),
            abi: list(abi),
            platform: list(platform),
        })
    }

    /// Checks that it is compatible with `CPython` 3.`minor` on this processor (`amd64`, `arm64`) and this minor
    /// version of glibc 2.
    pub fn matches(&self, minor: u32, arch: &str, glibc: Option<u32>) -> Result<(), WheelMismatch> {
        let machine = if arch == "arm64" { "aarch64" } else { "x86_64" };
        let python = self.python.iter().any(|tag| python_fits(tag, minor, &self.abi));
        let abi = self.abi.iter().any(|tag| tag == "none" || tag == "abi3" || *tag == format!("cp3{minor}"));
        let platform = self.platform.iter().any(|tag| platform_fits(tag, machine, glibc));
        if python && abi && platform {
            return Ok(());
        }
        let wheel = match (python && abi, platform) {
            (false, true) => format!("Python {}", self.python.join(", ")),
            (true, _) => self.platform.join(", "),
            (false, false) => format!("Python {} on {}", self.python.join(", "), self.platform.join(", ")),
        };
        let glibc = glibc.map_or_else(String::new, |glibc| format!(", glibc 2.{glibc}"));
        Err(WheelMismatch { wheel, node: format!("Python 3.{minor} (cp3{minor}) on linux_{machine}{glibc}") })
    }
}

fn python_fits(tag: &str, minor: u32, abi: &[String]) -> bool {
    let version = |prefix: &str| tag.strip_prefix(prefix).and_then(|rest| rest.parse::<u32>().ok());
    match (tag, version("cp3"), version("py3")) {
        ("py3", ..) => true,
        (_, Some(wanted), _) if abi.iter().any(|abi| abi == "abi3") => wanted <= minor,
        (_, Some(wanted), _) => wanted == minor,
        (_, _, Some(wanted)) => wanted <= minor,
        _ => false,
    }
}

fn platform_fits(tag: &str, machine: &str, glibc: Option<u32>) -> bool {
    if tag == "any" || tag == format!("linux_{machine}") {
        return true;
    }
    let Some(rest) = tag.strip_suffix(&format!("_{machine}")) else { return false };
    let needed = match rest {
        "manylinux1" => Some(5),
        "manylinux2010" => Some(12),
        "manylinux2014" => Some(17),
        _ => rest.strip_prefix("manylinux_2_").and_then(|minor| minor.parse().ok()),
    };
    // If the version of glibc is unknown, pip decides.
    needed.is_some_and(|needed: u32| glibc.is_none_or(|glibc| needed <= glibc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(file: &str) -> Result<(), WheelMismatch> {
        WheelName::parse(file).expect("a wheel's name").matches(11, "amd64", Some(36))
    }

    #[test]
    fn pure_stable_and_exact_wheels_match() {
        for file in [
            "en_core_web_md-3.1.0-py3-none-any.whl",
            "six-1.16.0-py2.py3-none-any.whl",
            "numpy-2.1.3-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
            "cryptography-42.0-cp37-abi3-manylinux_2_28_x86_64.whl",
            "x-1.0-1-py39-none-any.whl",
        ] {
            assert_eq!(fits(file), Ok(()), "{file}");
        }
    }

    #[test]
    fn a_mismatch_names_wheel_and_node() {
        let python = fits("numpy-2.1.3-cp312-cp312-manylinux_2_17_x86_64.whl").expect_err("another Python");
        assert_eq!(
            python.to_string(),
            "the wheel is for Python cp312, the node has Python 3.11 (cp311) on linux_x86_64, glibc 2.36"
        );
        for file in [
            "x-1.0-cp311-cp311-win_amd64.whl",
            "x-1.0-cp311-cp311-manylinux_2_39_x86_64.whl",
            "x-1.0-cp311-cp311-manylinux_2_17_aarch64.whl",
            "x-1.0-cp311-cp311-musllinux_1_1_x86_64.whl",
            "x-1.0-cp313-abi3-linux_x86_64.whl",
        ] {
            assert!(fits(file).is_err(), "{file}");
        }
    }
}
