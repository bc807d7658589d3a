#!/usr/bin/env bash
# Node image, step 6: byte code of every Python module, checked.
#
# Tests compare all files of two nodes. Python rewrites a `.pyc` file on first use when its module has another time or size
# than the `.pyc` records, so that a stale one would make two equal nodes differ. This step runs last, in a layer of its own:
# the times of modules are final only when the layers below are complete.
# Runs as root inside the image; may be run twice.
set -euo pipefail
export LC_ALL=C

roots=(/usr/lib/python3 /usr/lib/python3.* /databricks/python3/lib)
# Compiles only missing and stale modules.
/databricks/python3/bin/python -m compileall -q -j 0 "${roots[@]}"
/databricks/python3/bin/python - "${roots[@]}" << 'PYTHON'
import importlib.util, os, struct, sys

modules, wrong = 0, []
for root in sys.argv[1:]:
    for folder, _, names in os.walk(root):
        for module in (os.path.join(folder, name) for name in names if name.endswith(".py")):
            modules += 1
            found = os.stat(module)
            if found.st_mtime_ns % 1_000_000_000 and module.startswith("/databricks/"):
                wrong.append(f"{module}: its time is not in whole seconds")
            try:
                with open(importlib.util.cache_from_source(module), "rb") as code:
                    header = code.read(16)
            except FileNotFoundError:
                wrong.append(f"{module}: its .pyc file is missing")
                continue
            # Magic number, flags, and the time and size of the module: https://peps.python.org/pep-0552/
            expected = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, int(found.st_mtime) & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF)
            if header != expected:
                wrong.append(f"{module}: its .pyc file is stale")
print(modules, "modules have byte code that counts")
if wrong:
    sys.exit("\n".join(wrong))
PYTHON
