#!/usr/bin/env bash
# Node image, step 4: /databricks/python, the runtime's virtualenv, and the model wheel of the Family unit's file store.
#
# As on real runtimes the folder is called python3 and `python` is a link to it. Runs as root; may be run twice.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LC_ALL=C PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_NO_CACHE_DIR=1
export PIP_CERT=/etc/ssl/certs/ca-certificates.crt

mkdir -p /databricks
python3 -m venv /databricks/python3
ln -sfn python3 /databricks/python
/databricks/python3/bin/pip install -q -r "$here/runtime-python.txt"
/databricks/python3/bin/pip check

unit=/dbfs/FileStore/Family/lib/python
mkdir -p "$unit"
/databricks/python3/bin/pip download -q --no-deps --require-hashes -d "$unit" -r "$here/model-wheel.txt"

# Image layers keep times in whole seconds, and some layered file systems change the fraction of a new file's time later.
# Whole seconds are final, and byte code counts as long as they stay.
/databricks/python3/bin/python - << 'PYTHON'
import os

for folder, _, names in os.walk("/databricks/python3"):
    for path in (os.path.join(folder, name) for name in names):
        if not os.path.islink(path):
            seconds = int(os.stat(path).st_mtime)
            os.utime(path, (seconds, seconds))
PYTHON
