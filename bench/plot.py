"""Draws medians of the contenders of scripts/bench as horizontal bars, seconds on a logarithmic scale."""

import statistics
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
# Text stays text, and the file is the same for the same figures.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "nodeagent", "font.size": 10})
import matplotlib.pyplot as plt  # noqa: E402

CONTENDERS = [
    ("bash-first", "bash framework, first run", "#888888"),
    ("r-alone", "install.packages alone (R's part)", "#bbbbbb"),
    ("pip-alone", "pip alone (Python's part)", "#bbbbbb"),
    ("uv-alone", "uv alone (Python's part)", "#bbbbbb"),
    ("apt-alone", "apt-get alone (Debian's part)", "#bbbbbb"),
    ("bash-second", "bash framework, second run", "#888888"),
    ("agent-first", "nodeagent, nothing cached", "#1f6fb4"),
    ("agent-shared", "nodeagent, warm shared store", "#1f6fb4"),
    ("agent-local", "nodeagent, warm store of the node", "#1f6fb4"),
    ("agent-layers", "nodeagent, layers", "#1f6fb4"),
    ("agent-second", "nodeagent, ready node", "#1f6fb4"),
    ("floor", "floor: zstd -d | tar x, dpkg -i", "#2c8a3d"),
]


def main(results: Path, output: Path) -> None:
    rows = []
    for name, title, colour in CONTENDERS:
        seconds = [float(line.split()[0]) for line in (results / name).read_text().splitlines()]
        rows.append((title, statistics.median(seconds), colour))
    rows.reverse()
    figure, axes = plt.subplots(figsize=(9, 4.6))
    bars = axes.barh([row[0] for row in rows], [row[1] for row in rows], color=[row[2] for row in rows])
    labels = [f"{row[1]:.3f} s" if row[1] < 1 else f"{row[1]:.1f} s" for row in rows]
    axes.bar_label(bars, labels, padding=4)
    axes.set_xscale("log")
    axes.set_xlim(right=max(row[1] for row in rows) * 3)
    axes.set_xlabel("seconds to a ready node, median (logarithmic)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(output, metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
