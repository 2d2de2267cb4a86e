"""Measure, and write the figures, the page and the charts: `python -m bench`."""

from __future__ import annotations

import argparse
import time

from bench import page
from bench.databases import started
from bench.machine import tag
from bench.rounds import measure, rows
from bench.workloads import GROUPS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer workloads, smaller, less often")
    parser.add_argument("--rounds", type=int, help="default: 4, or 2 with --quick")
    parser.add_argument("--values", type=int, help="in each round; default: 3, or 2 with --quick")
    parser.add_argument("--only", nargs="+", metavar="KEY", help="workloads or tables; no page")
    parser.add_argument("--page", action="store_true", help="the page from the figures there are")
    args = parser.parse_args()
    if args.page:
        page.write()
        return
    began = time.monotonic()
    scale = "quick" if args.quick else "full"
    todo = rows(GROUPS, scale, args.rounds or (2 if args.quick else 4))
    if args.only:
        chosen = {
            work.key for group in GROUPS if group.key in args.only for work in group.workloads
        }
        todo = [row for row in todo if row.work.key in chosen.union(args.only)]
    with started():
        suite = measure(todo, scale, args.values or (2 if args.quick else 3))
    if args.only:
        return
    page.FOLDER.mkdir(exist_ok=True)
    suite.dump(str(page.FOLDER / f"{tag()}.json"), replace=True)
    page.write()
    print(f"{(time.monotonic() - began) / 60:.0f} minutes; see {page.PAGE}")


if __name__ == "__main__":
    main()
