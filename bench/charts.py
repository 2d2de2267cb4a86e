"""The pictures on the page: a panel for each workload, a bar for each peer."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure as Picture

from bench.figures import Figures
from bench.workloads import Group

WIDEST = 8.0  # a bar longer than this many times ours is cut
OURS, THEIRS, AHEAD = "#79a42f", "#b8bec6", "#d9822b"

# The same figures give the same file, with text as text.
matplotlib.rcParams.update({"svg.hashsalt": "yamanote", "svg.fonttype": "none", "font.size": 8})


def draw(figures: Figures, group: Group, file: Path) -> None:
    """How many times as long as ours each peer takes."""
    works = [work for work in group.workloads if (work.key, group.base) in figures.cells]
    if not works:
        return
    peers = [p for p in group.peers if any((w.key, p) in figures.cells for w in works)]
    ratios = [[figures.ratio(work.key, peer, group.base) for peer in peers] for work in works]
    longest = min(WIDEST, max(ratio or 0 for column in ratios for ratio in column))
    columns = min(len(works), 5)
    lines = -(-len(works) // columns)
    picture = Picture(figsize=(2.2 * columns + 1, (0.19 * len(peers) + 0.5) * lines))
    panels = picture.subplots(lines, columns, sharey=True, squeeze=False)
    for panel, work, column in zip(panels.flat, works, ratios, strict=False):
        for place, (peer, ratio) in enumerate(zip(peers, column, strict=True)):
            length = min(ratio or 0, longest)
            panel.barh(place, length, color=_color(peer, group.base, ratio), height=0.75)
            text = "–" if ratio is None else f"{ratio:.1f}×"
            panel.text(length + longest / 80, place, text, va="center", fontsize=7)
        panel.set_title(work.title.replace("`", ""), fontsize=8, loc="left")
        panel.set_yticks(range(len(peers)), peers)
        panel.set_xlim(0, longest * 1.2)
        panel.set_xticks([])
        panel.axvline(1, color=OURS, linewidth=0.6)
        panel.spines[:].set_visible(False)
        panel.tick_params(length=0)
    for panel in panels.flat[len(works) :]:
        panel.set_visible(False)
    panels[0, 0].invert_yaxis()
    picture.tight_layout()
    picture.savefig(file, format="svg", metadata={"Date": None}, facecolor="white")


def _color(peer: str, base: str, ratio: float | None) -> str:
    if peer == base:
        return OURS
    return AHEAD if ratio is not None and ratio < 1 else THEIRS
