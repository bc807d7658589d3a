//! Finds distributions that the profile pins to two versions. No installer can satisfy both.

use pep440_rs::{Operator, Version};
use pep508_rs::{Requirement, VersionOrUrl};

use super::package::{Package, WheelFile};
use crate::{diagnostic::Origin, facts::python::WheelName, problem::Problem, profile::Entry};

/// A distribution with an exact version.
struct Pin<'a> {
    name: String,
    version: Version,
    /// The condition of the requirement. Requirements with different conditions are not compared.
    marker: &'a str,
    origin: &'a Origin,
    optional: bool,
}

/// A mistake for each pin that differs from an earlier one of the same distribution.
pub(super) fn contradictions(packages: &[Entry<Package>], wheels: &[Entry<WheelFile>]) -> Vec<Problem> {
    let pins: Vec<Pin<'_>> = packages.iter().filter_map(of_package).chain(wheels.iter().filter_map(of_wheel)).collect();
    let mut found = Vec::new();
    for (index, pin) in pins.iter().enumerate() {
        // Optional entries are alternatives: each is installed on its own.
        let is_other = |other: &&Pin<'_>| {
            let are_alternatives = other.optional && pin.optional;
            (&other.name, other.marker) == (&pin.name, pin.marker) && other.version != pin.version && !are_alternatives
        };
        if let Some(other) = pins[..index].iter().find(is_other) {
            let message = format!(
                "`{}` is pinned to version {} here, and to {} at {}",
                pin.name,
                pin.version,
                other.version,
                other.origin.with_column()
            );
            found.push(Problem::new(message).hint("keep one of the two pins".to_owned()).asked_at(pin.origin.clone()));
        }
    }
    found
}

fn of_package(entry: &Entry<Package>) -> Option<Pin<'_>> {
    let text = &entry.value.text;
    let requirement: Requirement = text.parse().ok()?;
    let Some(VersionOrUrl::VersionSpecifier(specifiers)) = requirement.version_or_url else { return None };
    let is_exact = |operator: &Operator| matches!(operator, Operator::Equal | Operator::ExactEqual);
    let version = specifiers.iter().find(|specifier| is_exact(specifier.operator()))?.version().clone();
    let marker = text.split_once(';').map_or("", |(_, marker)| marker.trim());
    Some(Pin { name: entry.value.name(), version, marker, origin: &entry.origin, optional: entry.optional })
}

fn of_wheel(entry: &Entry<WheelFile>) -> Option<Pin<'_>> {
    let wheel = WheelName::parse(entry.value.file.file_name())?;
    Some(Pin {
        name: wheel.name,
        version: wheel.version.parse().ok()?,
        marker: "",
        origin: &entry.origin,
        optional: entry.optional,
    })
}
