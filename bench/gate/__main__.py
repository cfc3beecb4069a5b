# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.gate [part ...]`: the gate beside its peers. Without a part all of them, one after the other.

  rollout   when it says pass or fail, beside kubectl, Helm and kubernetes.core (15 minutes; root, a lab)
  scale     500 Deployments in one call, beside 5 (20 minutes; root, a lab)
  canary    how long a bad version is visible with its own rule and the peers' (20 minutes; root, a lab)
  alarms    false alarms and detections on simulated canaries
  replayed  the same on simulated series, beside the rules of others

Each part writes bench/results/gate_PART.json. The exit code is 1 when a goal was missed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import typing as t

from bench.gate.part import Measured, Options
from bench.results import ROOT, table, write
from lab.errors import LabError
from lab.model import BLOCKS

PARTS: t.Final = ("rollout", "scale", "canary", "alarms", "replayed")


def _measure(part: str, options: Options) -> Measured:
    # Only what was asked for: a simulation needs no lab, and a lab no libraries of a simulation.
    found: Measured = importlib.import_module(f"bench.gate.{part}").measure(options)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.gate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
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
        path = write(f"gate_{part}", measured.rows, measured.versions)
        print("\n".join(["", *table(measured.rows), f"written: {path.relative_to(ROOT)}"]), flush=True)
        met = met and all(entry["met"] is not False for entry in measured.rows)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
