//! Lays a profile over the one it extends: the child wins, lists are united by identity.

use crate::facts::python::normalised;

use super::{Apt, Entry, Pip, Profile, R, SecretItem, Secrets, Shell};

/// `child` over `parent`.
pub(super) fn over(parent: Profile, child: Profile) -> Profile {
    Profile {
        name: child.name,
        business_unit: child.business_unit.or(parent.business_unit),
        business_unit_at: child.business_unit_at.or(parent.business_unit_at),
        sources: Vec::new(),
        path: None,
        files: Vec::new(),
        conditions: parent.conditions.into_iter().chain(child.conditions).collect(),
        lock: None,
        apt: Apt {
            packages: united(parent.apt.packages, child.apt.packages, |package| package.name.clone()),
            debs: united(parent.apt.debs, child.apt.debs, |deb| deb.path.clone()),
            sources: united(parent.apt.sources, child.apt.sources, |source| source.name.clone()),
            debconf: united(parent.apt.debconf, child.apt.debconf, |answer| {
                (answer.package.clone(), answer.question.clone())
            }),
            recommends: child.apt.recommends.or(parent.apt.recommends),
            wait_for_disk: child.apt.wait_for_disk.or(parent.apt.wait_for_disk),
        },
        pip: Pip {
            packages: united(parent.pip.packages, child.pip.packages, |text| requirement_name(text)),
            requirements: united(parent.pip.requirements, child.pip.requirements, |file| file.path.clone()),
            guard: child.pip.guard.or(parent.pip.guard),
            allow_change: united(parent.pip.allow_change, child.pip.allow_change, String::clone),
            index_url: child.pip.index_url.or(parent.pip.index_url),
            extra_index_urls: united(parent.pip.extra_index_urls, child.pip.extra_index_urls, Clone::clone),
            smoke: united(parent.pip.smoke, child.pip.smoke, String::clone),
            python: child.pip.python.or(parent.pip.python),
            only_pip: child.pip.only_pip.or(parent.pip.only_pip),
            uv: child.pip.uv.or(parent.pip.uv),
            compile: child.pip.compile.or(parent.pip.compile),
            beside_apt: child.pip.beside_apt.or(parent.pip.beside_apt),
        },
        wheels: united(parent.wheels, child.wheels, |wheel| wheel.path.clone()),
        r: R {
            library: child.r.library.or(parent.r.library),
            // What the child prefers comes first.
            repos: united(child.r.repos, parent.r.repos, Clone::clone),
            packages: united(parent.r.packages, child.r.packages, |package| package.name.clone()),
            sources: united(parent.r.sources, child.r.sources, |source| source.path.clone()),
        },
        shell: shell(parent.shell, child.shell),
        secrets: Secrets {
            items: secrets(parent.secrets.items, child.secrets.items),
            templates: united(parent.secrets.templates, child.secrets.templates, |template| template.to.path.clone()),
            withheld: parent.secrets.withheld.into_iter().chain(child.secrets.withheld).collect(),
            place: child.secrets.place.or(parent.secrets.place),
        },
        logins: united(parent.logins, child.logins, |login| login.site.clone()),
        vars: child.vars,
        only_digests: child.only_digests,
    }
}

/// A secret may go to several places: what a child says of one takes the place of all that is inherited of it.
fn secrets(mut parent: Vec<Entry<SecretItem>>, child: Vec<Entry<SecretItem>>) -> Vec<Entry<SecretItem>> {
    let name = |entry: &Entry<SecretItem>| (entry.value.scope.clone(), entry.value.key.clone());
    let said: Vec<_> = child.iter().map(name).collect();
    parent.retain(|entry| !said.contains(&name(entry)));
    parent.extend(child);
    parent
}

fn shell(parent: Shell, child: Shell) -> Shell {
    let (mut profile_d, mut variables) = (parent.profile_d, parent.variables);
    profile_d.extend(child.profile_d);
    variables.extend(child.variables);
    Shell {
        users: child.users.or(parent.users),
        bashrc: child.bashrc.or(parent.bashrc),
        vimrc: child.vimrc.or(parent.vimrc),
        profile_d,
        variables,
    }
}

/// The parent's entries, each replaced by the child's of the same identity, then the child's own.
fn united<T, K: PartialEq>(parent: Vec<Entry<T>>, child: Vec<Entry<T>>, key: impl Fn(&T) -> K) -> Vec<Entry<T>> {
    let mut all = parent;
    // Only what was inherited is replaced, and each of it once: a file may say two things about one package, as
    // requirements with different markers do.
    let mut inherited: Vec<Option<K>> = all.iter().map(|entry| Some(key(&entry.value))).collect();
    for entry in child {
        let identity = Some(key(&entry.value));
        match inherited.iter().position(|known| *known == identity) {
            Some(index) => {
                inherited[index] = None;
                all[index] = entry;
            }
            None => all.push(entry),
        }
    }
    all
}

/// The distribution a requirement is about, normalised: what a child overrides it by.
pub(super) fn requirement_name(text: &str) -> String {
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(text.len());
    normalised(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_replaces_what_it_inherits_and_keeps_all_of_its_own() {
        let origin = |line| crate::diagnostic::Origin { file: "x.toml".into(), line, column: 1 };
        let entry =
            |value: &str, line| Entry { value: value.to_owned(), origin: origin(line), optional: false, timeout: None };
        let parent = vec![entry("numpy", 1), entry("six", 2)];
        let child = vec![entry("numpy<2; python_version<'3.12'", 3), entry("numpy>=2; python_version>='3.12'", 4)];
        let all = united(parent, child, |text| requirement_name(text));
        assert_eq!(all.iter().map(|entry| entry.origin.line).collect::<Vec<_>>(), [3, 2, 4]);
    }

    #[test]
    fn distributions_are_compared_by_normalised_name() {
        assert_eq!(requirement_name("Scikit_Learn[x]>=1"), "scikit-learn");
        assert_eq!(requirement_name("a.b--c @ https://x"), "a-b-c");
    }
}
