# The jobs of the project. `just ci` runs the same checks as CI.

# List the jobs
default:
    @just --list

# Run the main job in a test node
try:
    scripts/try

# Run all tests, or those whose names contain NAME
test *NAME:
    scripts/test {{ NAME }}

# All checks that a change must pass
ci:
    .ci/run

# Unit tests only, without node and network
unit:
    cargo test --locked --lib

# All tests except those on real nodes
quick:
    NODEAGENT_SKIP_CONTAINERS=1 scripts/test

# Kill runs and fill disks at a hundred instants instead of ten; takes about an hour
instants:
    NEXTEST_PROFILE=instants NODEAGENT_INSTANTS=100 NODEAGENT_CRASH_STATES=500 scripts/test at_any_instant

# Fuzz all parsers, or TARGET, with a number of runs each; takes hours
fuzz *ARGUMENTS:
    scripts/fuzz {{ ARGUMENTS }}

# Format the sources
fmt:
    cargo fmt

# Lints, with the options of CI
clippy:
    cargo clippy --locked --all-targets -- -D warnings

# Licences, sources and advisories of dependencies
deny:
    scripts/deny

# The static binary at target/static/nodeagent
build:
    scripts/build

# Measure against the bash framework; writes docs/benchmarks.md
bench:
    scripts/bench
