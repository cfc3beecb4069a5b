# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m chaos`: kill releases at every write, recover, and see whether the environment is whole."""

from __future__ import annotations

import argparse
import collections.abc as c
import functools
import pathlib
import signal
import subprocess
import sys
import time

from chaos.points import Point, Sample, Shard
from chaos.record import Record, table
from chaos.subjects import Subject
from chaos.sweep import Sweep, SweepError
from chaos.variants import VARIANTS, Variant
from lab import state
from lab.demo.playbook import CHECKOUT
from lab.model import BLOCKS, plan_lab

#: So many points of the variants that are not run whole.
_SAMPLE = "7:8"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--name", default="scratch", choices=sorted(BLOCKS), help="the lab (default scratch)")
    parser.add_argument("--variant", action="append", choices=list(VARIANTS), help="only this one; may be repeated")
    parser.add_argument(
        "--points",
        action="append",
        default=[],
        metavar="SEED:COUNT",
        help=f"a sample of so many, or one point SITE:NUMBER:before (default: all; {_SAMPLE} of the later variants)",
    )
    parser.add_argument(
        "--shard", type=Shard.parse, default=Shard(), metavar="i/n", help="only this part of the points"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the record that is there")
    parser.add_argument("--record", type=pathlib.Path, help="file of outcomes (default reports/chaos/record.jsonl)")
    parser.add_argument("--rate", type=float, default=200, help="orders per second over all regions (default 200)")
    parser.add_argument("--list", action="store_true", help="print the points and run none")
    parser.add_argument("--table", action="store_true", help="print the table of the record and run nothing")
    return parser


def chosen(variant: Variant, points: list[Point], wanted: list[str], shard: Shard) -> list[Point]:
    """The points of a variant that this call runs. Raises ValueError for a sample that is none."""
    single = [Point.parse(text) for text in wanted if text.count(":") == 2]
    samples = [Sample.parse(text) for text in wanted if text.count(":") != 2]
    if single:
        known = {str(point): point for point in points}
        return shard.of([known.get(str(point), point) for point in single])
    if not samples and not variant.whole:
        samples = [Sample.parse(_SAMPLE)]
    if not samples:
        return shard.of(points)
    return shard.of(samples[0].with_few(points, variant.name, variant.subject.is_rare))


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _lab(command: str, name: str) -> bool:
    """Whether `python -m lab COMMAND` did it; its lines are of use only when it did not."""
    words = [sys.executable, "-m", "lab", command, "--name", name]
    done = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"chaos: {' '.join(words[1:])} failed:\n{done.stdout}{done.stderr}", file=sys.stderr)
    return done.returncode == 0


def _commit() -> str:
    """The commit of this checkout, with a plus sign where files differ from it."""
    command = ["git", "describe", "--always", "--abbrev=9", "--exclude=*", "--dirty=+"]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout.strip()


def sweep_all(arguments: argparse.Namespace, sweep_of: c.Callable[[Subject], Sweep], record: Record) -> None:
    """Run what is asked for and not in the record yet. Raises SweepError, ValueError."""
    sweep: Sweep | None = None
    for name in arguments.variant or list(VARIANTS):
        variant = VARIANTS[name]
        if sweep is None or sweep.subject is not variant.subject:
            # What another subject's releases left is in no reference of this one.
            sweep = sweep_of(variant.subject)
            sweep.prepare()
        everything = sweep.points(variant)
        points = chosen(variant, everything, arguments.points, arguments.shard)
        _say(f"{name}: {len(points)} of {len(everything)} points")
        for at, point in enumerate(points, 1):
            if arguments.list:
                print(f"{name} {point} {point.what}")
            elif not record.has(name, str(point)):
                outcome = sweep.strike(variant, point)
                record.add(outcome)
                said = "passed" if outcome.passed else "; ".join(outcome.violations) or "not reached"
                seconds = f"{outcome.seconds:.0f} s"
                _say(f"{name} {at}/{len(points)} {point} {point.what}: {outcome.stands}, {seconds}: {said}")


def run(arguments: argparse.Namespace) -> int:
    """0 when every point that was run passed."""
    lab = plan_lab(arguments.name)
    reports = CHECKOUT / "reports" / "chaos"
    # Whole: recoveries run in another working directory.
    path = (arguments.record or reports / "record.jsonl").resolve()
    if arguments.table:
        print("\n".join(table(list(Record(path, resume=True).outcomes.values()))))
        return 0
    record = Record(path, resume=arguments.resume, commit=_commit())
    was_up = state.complete(lab)
    _say(f"lab {lab.name} up")
    if not _lab("up", lab.name):
        return 2
    make = functools.partial(Sweep, lab, reports / "runs", arguments.rate, _say)
    sweep_all(arguments, lambda subject: make(subject=subject), record)
    outcomes = list(record.outcomes.values())
    print("\n".join(table(outcomes)))
    failed = sum(bool(outcome.violations) for outcome in outcomes)
    # Left as it was found; after an interruption it stays up, because --resume goes on there.
    down = was_up or _lab("down", lab.name)
    print(f"chaos {'ok' if not failed else 'FAILED'}: {len(outcomes)} points, {failed} failed; record: {path}")
    return 0 if not failed and down else 1


def main() -> int:
    arguments = _parser().parse_args()
    # As Ctrl-C: the run under way ends with its controllers and its orders.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        return run(arguments)
    except ValueError as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 2
    except SweepError as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("chaos: interrupted; the same command with --resume goes on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
