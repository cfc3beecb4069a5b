# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.rollback [part ...]`: ways back of a whole environment. Without a part all of them.

  back      rollback.yml and abort.yml beside kubectl and Helm, under live orders (25 minutes)
  overhead  a healthy release beside kubectl apply and rollout status (5 minutes)
  dead      three regions, one of them dead: do the two others wait for it? (15 minutes)

All need root and a lab. All rows go into bench/results/rollback.json; a part that is run alone leaves the rows of the
others there. The exit code is 1 when a goal was missed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import typing as t

from bench.gate.part import Measured, Options, Row
from bench.results import ROOT, table, write
from lab.errors import LabError
from lab.model import BLOCKS

PARTS: t.Final = ("back", "overhead", "dead")
NAME: t.Final = "rollback"


def _measure(part: str, options: Options) -> Measured:
    # A part of another lab is not started when the libraries of this one are missing.
    found: Measured = importlib.import_module(f"bench.rollback.{part}").measure(options)
    return found


def written_before() -> tuple[list[Row], dict[str, str]]:
    """Rows and versions of the last run; none when there was none."""
    path = ROOT / "bench" / "results" / f"{NAME}.json"
    if not path.exists():
        return [], {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return found["rows"], found["header"]["versions"]


def merged(before: t.Sequence[Row], part: str, fresh: t.Sequence[Row]) -> list[Row]:
    """The rows of all parts in their order, with those of one part replaced."""
    kept = {other: [one for one in before if one["part"] == other] for other in PARTS}
    kept[part] = [{"part": part, **one} for one in fresh]
    return [one for other in PARTS for one in kept[other]]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.rollback", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help="one or more of: " + ", ".join(PARTS))
    parser.add_argument(
        "--name", default="test", choices=sorted(BLOCKS), help="the lab to use; it is stopped afterwards"
    )
    parser.add_argument("--rounds", type=int, help="how many rounds (default: what the part thinks right)")
    arguments = parser.parse_args()
    # Not by `choices`: with nargs="*" it refuses an empty list.
    unknown = sorted(set(arguments.parts) - set(PARTS))
    if unknown:
        parser.error(f"unknown part {unknown[0]}; use one or more of: {', '.join(PARTS)}")
    options = Options(arguments.name, arguments.rounds)
    met = True
    for part in arguments.parts or PARTS:
        print(f"\n=== {part}", flush=True)
        try:
            measured = _measure(part, options)
        except LabError as error:
            print(f"{part}: {error}", file=sys.stderr)
            met = False
            continue
        rows, versions = written_before()
        path = write(NAME, merged(rows, part, measured.rows), {**versions, **measured.versions})
        print("\n".join(["", *table(measured.rows), f"written: {path.relative_to(ROOT)}"]), flush=True)
        met = met and all(entry["met"] is not False for entry in measured.rows)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
