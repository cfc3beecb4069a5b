# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.drain [part ...]`: drains and handovers of the matching engine. Without a part all of them.

  handover  v1 to v2 under load and back, beside stopping the old engine and starting the new one
  full      the full drain and the way back to trading
  kills     the module killed before and after each of its requests, and nobody recovers
  faults    every fault of the engine, and a FIX session that does not answer Logout
  many      20 handovers in a row
  bulk      books of 10,000, 100,000 and 1,000,000 orders

Everything runs as processes on loopback: no root and no lab. All rows go into bench/results/drain.json; a part that is
run alone leaves the rows of the others there. The exit code is 1 when a goal was missed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
import traceback
import typing as t

from bench.gate.part import Measured, Options, Row
from bench.results import ROOT, table, write
from lab.errors import LabError

PARTS: t.Final = ("handover", "full", "kills", "faults", "many", "bulk")
NAME: t.Final = "drain"


def _measure(part: str, options: Options) -> Measured:
    # A part that needs no QuickFIX is not stopped when there is none.
    found: Measured = importlib.import_module(f"bench.drain.{part}").measure(options)
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


def _stop(_number: int, _frame: object) -> None:
    """End as with Ctrl-C, which cancels what runs: every process of the part is ended as well."""
    signal.raise_signal(signal.SIGINT)


def main() -> int:
    signal.signal(signal.SIGTERM, _stop)
    parser = argparse.ArgumentParser(
        prog="python -m bench.drain", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help="one or more of: " + ", ".join(PARTS))
    parser.add_argument("--rounds", type=int, help="how many rounds (default: what the part thinks right)")
    arguments = parser.parse_args()
    # Not by `choices`: with nargs="*" it refuses an empty list.
    unknown = sorted(set(arguments.parts) - set(PARTS))
    if unknown:
        parser.error(f"unknown part {unknown[0]}; use one or more of: {', '.join(PARTS)}")
    met = True
    for part in arguments.parts or PARTS:
        print(f"\n=== {part}", flush=True)
        try:
            measured = _measure(part, Options("none", arguments.rounds))
        except LabError as error:
            print(f"{part}: {error}", file=sys.stderr)
            met = False
            continue
        except AssertionError:
            # What never came, or a task that failed where it has to succeed.
            traceback.print_exc()
            met = False
            continue
        rows, versions = written_before()
        path = write(NAME, merged(rows, part, measured.rows), {**versions, **measured.versions})
        print("\n".join(["", *table(measured.rows), f"written: {path.relative_to(ROOT)}"]), flush=True)
        met = met and all(entry["met"] is not False for entry in measured.rows)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
