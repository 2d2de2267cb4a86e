"""docs/benchmarks.md, of which the parts between markers are written here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from statistics import median

from bench.figures import Figures
from bench.targets import OURS, TARGETS
from bench.workloads import GROUPS, Group

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
FOLDER = PAGE.parent / "benchmarks"  # the figures and the charts
CHARTED = ("tasks", "waiting", "channels", "memory", "blocking", "echo", "asyncio")


def write() -> None:
    """The page, and the charts if there is matplotlib, from all figures there are."""
    every = load()
    PAGE.write_text(filled(PAGE.read_text(), every))
    try:
        from bench import charts
    except ImportError as error:
        print(f"no charts: {error}")
        return
    for figures in every:
        for group in GROUPS:
            if group.key in CHARTED:
                charts.draw(figures, group, FOLDER / _chart(figures, group))


def load() -> list[Figures]:
    """Those of each interpreter, the oldest first."""
    files = sorted(FOLDER.glob("cpython-*.json"), key=lambda file: _order(file.stem))
    return [Figures.load(file) for file in files]


def filled(text: str, every: list[Figures]) -> str:
    """The page with its generated parts as the figures have them."""
    for name, part in (
        ("machines", machines(every)),
        ("targets", targets(every)),
        ("tables", "\n\n".join(section(figures) for figures in every)),
    ):
        marked = re.compile(f"(<!-- {name}: .*? -->\n).*?(\n<!-- end of {name} -->)", re.DOTALL)
        found = marked.search(text)
        if found is None:
            raise ValueError(f"docs/benchmarks.md has no markers for {name}")
        text = f"{text[: found.start()]}{found[1]}\n{part}\n{found[2]}{text[found.end() :]}"
    return text


def machines(every: list[Figures]) -> str:
    lines = []
    for figures in every:
        facts = figures.facts
        versions = ", ".join(
            f"{peer} {version}"
            for peer, version in sorted(figures.versions.items())
            if not peer.startswith("yamanote")
        )
        quick = ", a quick run: rough figures" if facts["scale"] == "quick" else ""
        lines.append(
            f"- **[{figures.title}](#{_anchor(figures.title)})** ({facts['build']}, "
            f"{facts['compiler']}), {facts['machine']}, {facts['cpus']} CPUs{quick}. Beside "
            f"{versions}."
        )
    return "\n".join(lines)


def targets(every: list[Figures]) -> str:
    by_tag = {figures.tag: figures for figures in every}
    heads = [figures.tag.removeprefix("cpython-") for figures in every]
    lines = _head(["workload", "target", *heads])
    above = ""
    for target in TARGETS:
        found = [target.judge(figures, by_tag) for figures in every]
        cells = ["" if one is None else _verdict(*one) for one in found]
        name = "" if target.workload == above else target.workload
        lines.append(_line([name, target.wanted, *cells]))
        above = target.workload
    return "\n".join(lines)


def _verdict(measured: str, met: bool) -> str:
    return f"{measured}, met" if met else f"**{measured}, missed**"


def glance(figures: Figures) -> str:
    """For each peer, in how many workloads it is behind and ahead of Yamanote."""
    found: dict[str, dict[str, float]] = {}
    for group in GROUPS:
        for work, peer in product(group.workloads, group.peers):
            ratio = figures.ratio(work.key, peer, OURS)
            if ratio is not None and peer != OURS:
                found.setdefault(peer, {})[work.key] = ratio
    lines = _head(["", "workloads", "Yamanote is faster", "slower", "the median of the ratios"])
    for peer, ratios in found.items():
        slower = sum(ratio < 1 for ratio in ratios.values())
        counts = [str(len(ratios)), str(len(ratios) - slower), str(slower)]
        lines.append(_line([peer, *counts, _ratio(median(ratios.values()))]))
    return "\n".join(lines)


def section(figures: Figures) -> str:
    """All tables of one interpreter."""
    parts = [f"## {figures.title}", glance(figures)]
    for group in GROUPS:
        works = [work for work in group.workloads if (work.key, group.base) in figures.cells]
        if works:
            parts += [f"### {group.title}", group.note]
            if group.key in CHARTED:
                alt = f"{group.title} on {figures.title}"
                parts.append(f"![{alt}]({FOLDER.name}/{_chart(figures, group)})")
            parts.append(table(figures, group))
    return "\n\n".join(parts)


def table(figures: Figures, group: Group) -> str:
    """A line for each peer; who has no figures at all stands below, with the reason."""
    works = [work for work in group.workloads if (work.key, group.base) in figures.cells]
    notes = _Notes()
    lines = _head(["", *[work.title for work in works]])
    for peer in group.peers:
        if not any(figures.took_part(work.key, peer) for work in works):
            continue
        cells = [_cell(figures, work.key, peer, group.base, notes) for work in works]
        if any((work.key, peer) in figures.cells for work in works):
            lines.append(_line([f"**{peer}**" if peer == group.base else peer, *cells]))
    return "\n".join([*lines, *notes.lines()])


class _Notes:
    """The reasons below a table, each once."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}

    def number(self, peer: str, reason: str) -> int:
        return self._numbers.setdefault((peer, reason), len(self._numbers) + 1)

    def lines(self) -> Iterable[str]:
        if not self._numbers:
            return []
        reasons = [f"<sup>{n}</sup> {p}: {why}" for (p, why), n in self._numbers.items()]
        return ["", "Not measured: " + "; ".join(reasons) + "."]


def _cell(figures: Figures, key: str, peer: str, base: str, notes: _Notes) -> str:
    figure = figures.cells.get((key, peer))
    if figure is None:
        reason = figures.missing.get((key, peer), "not part of this run")
        return f"<sup>{notes.number(peer, reason)}</sup>"
    ratio = figures.ratio(key, peer, base)
    if peer == base or ratio is None:
        return str(figure)
    text = f"{figure} ({_ratio(ratio)})"
    return f"**{text}**" if ratio < 1 else text


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}×" if ratio < 10 else f"{ratio:.0f}×"


def _head(cells: list[str]) -> list[str]:
    return [_line(cells), "| --- " * len(cells) + "|"]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _chart(figures: Figures, group: Group) -> str:
    return f"{figures.tag}-{group.key}.svg"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def _order(tag: str) -> tuple[int, bool]:
    found = re.fullmatch(r"cpython-3\.(\d+)(t?)", tag)
    assert found
    return int(found[1]), bool(found[2])
