# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of a bench that has parts: `python -m bench.NAME [part ...]`."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
import traceback
import typing as t
from collections.abc import Sequence

from bench import results
from bench.gate.part import Measured, Options, Row
from lab.errors import LabError
from lab.model import BLOCKS

#: What a part of a bench without a lab is given as the name of one.
NO_LAB: t.Final = "none"


@dataclasses.dataclass(frozen=True)
class Bench:
    """One bench. Each of its parts is a module `bench.NAME.PART` with `measure(options) -> Measured`."""

    name: str
    #: In the order in which they run, and in which their rows are written.
    parts: tuple[str, ...]
    #: The text of --help.
    doc: str | None
    #: Whether a part may use a lab; only then there is --name.
    lab: bool = True
    #: Whether the rows of all parts go into NAME.json. Otherwise each part has a NAME_PART.json of its own.
    together: bool = True
    #: What, beside LabError, ends one part and not the whole bench. It is told with its traceback.
    traced: tuple[type[Exception], ...] = ()


def measure(bench: Bench, part: str, options: Options) -> Measured:
    """Rows of one part. Only that part is imported: it needs neither the lab nor the libraries of the others.

    Raises LabError when it could not be measured, and whatever else the part raises.
    """
    found: Measured = importlib.import_module(f"bench.{bench.name}.{part}").measure(options)
    return found


def written_before(bench: Bench) -> tuple[list[Row], dict[str, str]]:
    """Rows and versions that the last run left in NAME.json; none when there was none."""
    path = results.ROOT / "bench" / "results" / f"{bench.name}.json"
    if not path.exists():
        return [], {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return found["rows"], found["header"]["versions"]


def merged(bench: Bench, before: Sequence[Row], part: str, fresh: Sequence[Row]) -> list[Row]:
    """The rows of all parts in their order, with those of one part replaced."""
    kept = {other: [one for one in before if one["part"] == other] for other in bench.parts}
    kept[part] = [{"part": part, **one} for one in fresh]
    return [one for other in bench.parts for one in kept[other]]


def run(bench: Bench) -> int:
    """Measure the parts that the command line names, or all. The exit code: 1 when a goal was missed, or a part."""
    parts, options = _asked(bench)
    met = [_run_part(bench, part, options) for part in parts]
    return 0 if all(met) else 1


def _asked(bench: Bench) -> tuple[Sequence[str], Options]:
    """What sys.argv says; ends the process with 2 when that is not understood."""
    parser = argparse.ArgumentParser(
        prog=f"python -m bench.{bench.name}",
        description=bench.doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = ", ".join(bench.parts)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"one or more of: {known}")
    if bench.lab:
        parser.add_argument(
            "--name", default="test", choices=sorted(BLOCKS), help="the lab to use; it is stopped afterwards"
        )
    else:
        parser.set_defaults(name=NO_LAB)
    parser.add_argument("--rounds", type=int, help="how many rounds (default: what the part thinks right)")
    arguments = parser.parse_args()
    # Not by `choices`: with nargs="*" it refuses an empty list.
    unknown = sorted(set(arguments.parts) - set(bench.parts))
    if unknown:
        parser.error(f"unknown part {unknown[0]}; use one or more of: {known}")
    return arguments.parts or bench.parts, Options(arguments.name, arguments.rounds)


def _run_part(bench: Bench, part: str, options: Options) -> bool:
    """Measure one part, and write and print its rows. False when it could not be measured or a goal was missed."""
    print(f"\n=== {part}", flush=True)
    try:
        measured = measure(bench, part, options)
    except LabError as error:
        print(f"{part}: {error}", file=sys.stderr)
        return False
    except bench.traced:
        traceback.print_exc()
        return False
    if bench.together:
        rows, versions = written_before(bench)
        rows, versions = merged(bench, rows, part, measured.rows), {**versions, **measured.versions}
        path = results.write(bench.name, rows, versions)
    else:
        path = results.write(f"{bench.name}_{part}", measured.rows, measured.versions)
    written = f"written: {path.relative_to(results.ROOT)}"
    print("\n".join(["", *results.table(measured.rows), written]), flush=True)
    return all(entry["met"] is not False for entry in measured.rows)
