#!/usr/bin/env bash
# Prepares a test node for the secrets part of scripts/try: a Databricks workspace with five scopes, a package index with a
# login, and a database with two users, all on the node's loopback. Runs in the node as root. You can run it repeatedly.
set -euo pipefail

state=/srv/story
mkdir -p "$state/packages/familytools"

# until_it_answers NAME PROCESS LOG COMMAND...: waits until the command succeeds, for at most 30 s and only while the server's
# process is alive.
until_it_answers() {
    local name=$1 process=$2 log=$3
    shift 3
    for _ in {1..300}; do
        if "$@" > /dev/null 2>&1; then return; fi
        kill -0 "$process" 2> /dev/null || break
        sleep 0.1
    done
    tail -n 30 "$log" >&2
    echo "error: $name did not start; its log is $log" >&2
    exit 1
}
listens() { (exec 3<> "/dev/tcp/127.0.0.1/$1"); }

echo "preparing PostgreSQL (the first time, this takes about a minute)"
if ! command -v psql > /dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql; } \
        > "$state/apt.log" 2>&1 || {
        tail -n 30 "$state/apt.log" >&2
        exit 1
    }
fi
# The PostgreSQL version depends on the Debian release.
read -r version cluster _ status _ data log < <(pg_lsclusters --no-header)
# If the node was killed, a stale PID file may remain, so the status decides.
[ "$status" = online ] || pg_ctlcluster "$version" "$cluster" start
until_it_answers PostgreSQL "$(head -n 1 "$data/postmaster.pid")" "$log" runuser -u postgres -- psql -qc 'select 1'
runuser -u postgres -- env PGOPTIONS='-c client_min_messages=warning' psql -q << 'SQL'
drop database if exists analytics;
drop role if exists read_only;
drop role if exists read_write;
create role read_only login password 'family: read only';
alter role read_only set default_transaction_read_only = on;
create role read_write login password 'family: read and write';
create database analytics;
\c analytics
create table cases (number int primary key, court text);
insert into cases values (1, 'Family Court'), (2, 'Supreme Court');
grant select on cases to read_only, read_write;
grant insert on cases to read_write;
SQL

echo "preparing a package index with a login"
if [ ! -x "$state/index/bin/pypi-server" ]; then
    python3 -m venv "$state/index"
    "$state/index/bin/pip" install --quiet --disable-pip-version-check pypiserver==2.4.2 passlib==1.7.4
fi
printf 'def court():\n    return "Family Court"\n' > "$state/packages/familytools/familytools.py"
printf '[project]\nname = "familytools"\nversion = "1.0"\n[tool.setuptools]\npy-modules = ["familytools"]\n' \
    > "$state/packages/familytools/pyproject.toml"
"$state/index/bin/pip" wheel --quiet --disable-pip-version-check --no-deps -w "$state/packages" "$state/packages/familytools"
"$state/index/bin/python" -c "
from passlib.apache import HtpasswdFile
users = HtpasswdFile('$state/users', new=True)
users.set_password('family', 'index-of-family')
users.save()"
pkill -f "$state/index/bin/pypi-server" 2> /dev/null || true
setsid "$state/index/bin/pypi-server" run -i 127.0.0.1 -p 3141 -a update,download,list -P "$state/users" \
    "$state/packages" > "$state/index.log" 2>&1 < /dev/null &
until_it_answers "the package index" $! "$state/index.log" listens 3141

echo "preparing a Databricks workspace with five scopes"
pkill -x workspace 2> /dev/null || true
setsid workspace --port 5600 > "$state/workspace.log" 2>&1 < /dev/null &
until_it_answers "the workspace" $! "$state/workspace.log" listens 5600
