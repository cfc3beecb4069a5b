# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.dns [part ...]`: weights of regions. Without a part all of them.

  evacuate  one of two regions evacuated under orders, killed, brought back and ramped in (17 minutes)
  killed    a region killed without warning: when the last new order fails (9 minutes)
  large     requests for a change in a large zone, and 20 processes that share Route 53's limit (4 minutes)
  guards    every guard tried once (1 minute)

`evacuate` and `killed` need root and a lab; the others run on loopback, with a real PowerDNS and with Route 53's rules
in front of moto. All rows go into bench/results/dns.json; a part that is run alone leaves the rows of the others there.
The exit code is 1 when a goal was missed.
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

PARTS: t.Final = ("evacuate", "killed", "large", "guards")
NAME: t.Final = "dns"


def _measure(part: str, options: Options) -> Measured:
    # A part of the lab needs none of the libraries of loopback, and the other way round.
    found: Measured = importlib.import_module(f"bench.dns.{part}").measure(options)
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
        prog="python -m bench.dns", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
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
