"""Copies a module and the modules that it uses into a crate of their own, which compiles much faster than the whole crate.

    reduced_crate.py ROOT MODULE FOLDER

The tests of the copy are those of the module. The tests of the modules below it are left out: they cannot fail because of
a change above them. The versions of dependencies stay as they are, so cargo compiles most of them once for
all copies. Files that did not
change keep their time stamps, so cargo compiles only what changed.
"""

import re
import sys
from pathlib import Path

TESTS = re.compile(r"^( *)#\[cfg\(test\)\]\n\1mod tests(?:;| \{\n.*?^\1\})\n", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"^ *//.*\n", re.MULTILINE)
SEVERAL_TARGETS = re.compile(r"^# [^\n]*\n(?=\[\[)|^\[\[.*?(?=^\[[^\[]|^#|\Z)", re.MULTILINE | re.DOTALL)
# The copies share a target folder. Cargo tells packages with one name apart by their versions.
VERSION = re.compile(r'^(name = "nodeagent"\nversion = "[^"+]*)', re.MULTILINE)
DECLARATION = re.compile(r"^(?:#\[.*\]\n)*pub(?:\(crate\))? mod (\w+);\n", re.MULTILINE)


def used_modules(text):
    """The modules in paths such as `crate::fs::replace` and `crate::{digest, fs::{self, replace}}`."""
    text = COMMENT.sub("", text)
    names = set(re.findall(r"\bcrate::(\w+)", text))
    for group in re.finditer(r"\bcrate::\{", text):
        depth, item = 1, ""
        for character in text[group.end() :]:
            depth += {"{": 1, "}": -1}.get(character, 0)
            if depth == 0 or (depth == 1 and character == ","):
                names.add(item.strip().split("::")[0])
                item = ""
            else:
                item += character
            if depth == 0:
                break
    return names


def without_unused_dependencies(manifest, sources):
    """Cargo looks at every dependency before each build, so a shorter list saves half a second for each mutant."""
    lines, section = [], ""
    for line in manifest.splitlines(keepends=True):
        section = line.strip() if line.startswith("[") else section
        crate = line.split(" = ")[0].replace("-", "_")
        # The library of the package `md-5` is `md5`.
        crate = {"md_5": "md5"}.get(crate, crate)
        is_dependency = "dependencies]" in section and " = " in line and line[0].isalpha()
        if not is_dependency or re.search(rf"\b{crate}::|\buse {crate}\b", sources):
            lines.append(line)
    return "".join(lines)


def files_of(source, module):
    return [path for path in [source / f"{module}.rs", *sorted((source / module).rglob("*"))] if path.is_file()]


def texts_of(source, module, with_tests):
    """The files of a module, without its tests if they are not wanted."""
    texts = {path: path.read_text() for path in files_of(source, module)}
    if with_tests:
        return texts
    files_of_tests = [path for path in texts if path.name == "tests.rs" or "tests" in path.relative_to(source).parts[:-1]]
    return {path: TESTS.sub("", text) for path, text in texts.items() if path not in files_of_tests}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def main():
    root, folder = Path(sys.argv[1]), Path(sys.argv[3])
    tested = sys.argv[2].split("/")[0]
    source = root / "src"
    library = (source / "lib.rs").read_text()
    declarations = {declared[1]: declared[0] for declared in DECLARATION.finditer(library)}
    modules, pending = {}, [tested]
    while pending:
        module = pending.pop()
        if module in modules or module not in declarations:
            continue
        modules[module] = texts_of(source, module, module == tested)
        pending += [name for text in modules[module].values() for name in used_modules(text)]

    texts = {path.relative_to(root): text for module in modules.values() for path, text in module.items()}
    texts[Path("src/lib.rs")] = "".join(text for name, text in declarations.items() if name in modules)
    manifest = SEVERAL_TARGETS.sub("", (root / "Cargo.toml").read_text())
    manifest = manifest.replace("[package]\n", "[workspace]\n\n[package]\nautotests = false\n", 1)
    lock = (root / "Cargo.lock").read_text()
    manifest = without_unused_dependencies(manifest, "".join(COMMENT.sub("", text) for text in texts.values()))
    texts[Path("Cargo.toml")], texts[Path("Cargo.lock")] = (VERSION.sub(rf"\1+{tested}", text) for text in (manifest, lock))
    for name in ["rust-toolchain.toml", ".cargo/mutants.toml"]:
        texts[Path(name)] = (root / name).read_text()
    texts[Path(".config/nextest.toml")] = (root / "scripts/lib/mutants_nextest.toml").read_text()
    for path, text in texts.items():
        write(folder / path, text)
    for path in (folder / "src").rglob("*.rs"):
        if path.relative_to(folder) not in texts:
            path.unlink()
    for name in ["tests", "profiles"]:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(root / name)
    lines = sum(text.count("\n") for path, text in texts.items() if path.suffix == ".rs")
    print(f"{', '.join(sorted(modules))}: {lines} lines")


main()
