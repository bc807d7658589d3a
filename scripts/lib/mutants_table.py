"""Prints the results of cargo-mutants as a table, and the mutants that no test caught.

    mutants_table.py FOLDER MODULE...
"""

import json
import sys
from pathlib import Path

LIMIT = 90


def main():
    folder, modules = Path(sys.argv[1]), sys.argv[2:]
    missed, enough = [], True
    print("| module | mutants | unviable | caught | time-outs | missed | caught, % of viable |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for module in modules:
        out = json.loads((folder / module / "mutants.out" / "outcomes.json").read_text())
        # A time-out is a mutant that made a test hang, so it counts as caught.
        viable = out["caught"] + out["timeout"] + out["missed"]
        percent = 100 * (out["caught"] + out["timeout"]) / max(viable, 1)
        enough &= percent >= LIMIT
        columns = [out[name] for name in ("total_mutants", "unviable", "caught", "timeout", "missed")]
        print(f"| `{module}` | {' | '.join(str(column) for column in columns)} | {percent:.1f} |")
        missed += [
            outcome["scenario"]["Mutant"]["name"] for outcome in out["outcomes"] if outcome["summary"] == "MissedMutant"
        ]
    if missed:
        print("\nMissed:\n")
        print("\n".join(f"- {name}" for name in missed))
    sys.exit(0 if enough else 1)


main()
