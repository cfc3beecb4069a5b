# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make test`: runs every stage, cheap ones first, and ends with one summary, no lab and an honest exit code.

Every stage runs, also after a failed one: a run of half an hour should say all that it found.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parent.parent
STAGES = (
    *("lint", "test-unit", "test-sanity", "test-packaging", "test-flow", "test-faults", "test-drain"),
    *("test-dns", "test-flags", "test-lab", "test-molecule", "test-e2e"),
)
#: The stages that need the lab's binaries. They are compiled in the background while the stages before them run.
NEEDS_BINARIES = ("test-lab", "test-molecule", "test-e2e")
#: The lab that the tests use; the demo's has another name and stays as it is.
LAB = "test"
#: What `python -m lab up` does first; without root and without starting anything.
BUILD = "from lab import binaries, steps; binaries.prepare(steps.Steps())"

# "12 passed in 3.4s", with or without the frame of equal signs and the colours that pytest puts around it.
_COUNT = r"\d+ (?:passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?|subtests passed)"
_CLOSING = re.compile(rf"^=* ?{_COUNT}(?:, {_COUNT})* in [\d.]+s.*$")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclasses.dataclass
class Result:
    """What became of one stage."""

    stage: str
    code: int
    seconds: float
    closing: list[str]


def closing_line(line: str) -> str | None:
    """The line without colours and frame when it is the one that pytest ends with."""
    plain = _COLOUR.sub("", line).strip()
    return plain.strip("= ") if _CLOSING.match(plain) else None


def summary(results: t.Sequence[Result], planned: t.Sequence[str]) -> list[str]:
    """The closing lines of the run: a line for each stage, stages that never ran included."""
    lines = ["", "== summary"]
    done = {result.stage: result for result in results}
    for stage in planned:
        result = done.get(stage)
        if result is None:
            lines.append(f"  {stage:<16} not run")
            continue
        state = "ok" if result.code == 0 else f"FAILED ({result.code})"
        lines.append(f"  {stage:<16} {state:<12} {result.seconds:6.1f} s  {'; '.join(result.closing)}".rstrip())
    failed = [stage for stage in planned if stage not in done or done[stage].code != 0]
    total = sum(result.seconds for result in results)
    lines.append(f"tests {'failed: ' + ', '.join(failed) if failed else 'ok'} ({total / 60:.1f} min)")
    return lines


class Children:
    """The processes that this run has started, each in a process group of its own, so that all of them can be ended."""

    def __init__(self) -> None:
        self._live: list[subprocess.Popen[str]] = []

    def start(self, command: t.Sequence[str], **options: t.Any) -> subprocess.Popen[str]:
        child = subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **options)
        self._live.append(child)
        return child

    def stop(self) -> None:
        """End what still runs: politely, and after 20 seconds by force."""
        for number, patience in ((signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0)):
            for child in self._live:
                if child.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, number)
            for child in self._live:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(patience)


def run_stage(children: Children, stage: str) -> Result:
    """Run one make target, show its output as it comes and remember pytest's closing lines."""
    print(f"\n== {stage}", flush=True)
    started = time.monotonic()
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    child = children.start(["make", stage], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    assert child.stdout is not None
    closing = []
    for line in child.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        if (found := closing_line(line)) is not None:
            closing.append(found)
    return Result(stage, child.wait(), time.monotonic() - started, closing)


def build_binaries(children: Children) -> subprocess.Popen[str]:
    """Start compiling the lab's binaries with what the other stages leave of the machine; a warm cache ends at once."""
    log = ROOT / ".build" / "lab-build.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("w", encoding="utf-8") as out:
        return children.start(["nice", sys.executable, "-c", BUILD], stdout=out, stderr=subprocess.STDOUT)


def wait_for_binaries(build: subprocess.Popen[str]) -> None:
    """Wait for the build. Where it failed, the lab's own `up` tells why; here is only said where to read it."""
    if build.poll() is None:
        print("\n== waiting for the lab's binaries (log: .build/lab-build.log)", flush=True)
    if build.wait() != 0:
        print("building the lab's binaries failed, see .build/lab-build.log", flush=True)


def lab_down() -> int:
    """Take the tests' lab down, whether a stage has left it up or not. It is the last thing that happens."""
    return subprocess.run([sys.executable, "-m", "lab", "down", "--name", LAB], cwd=ROOT, check=False).returncode


def interrupt(number: int, _frame: object) -> t.NoReturn:
    raise SystemExit(128 + number)


def main(stages: t.Sequence[str]) -> int:
    """Run the stages; 0 when all of them passed and the lab is down."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    children = Children()
    results: list[Result] = []
    needs_lab = any(stage in NEEDS_BINARIES for stage in stages)
    down = 0
    try:
        build = build_binaries(children) if needs_lab else None
        for stage in stages:
            if stage in NEEDS_BINARIES and build is not None:
                wait_for_binaries(build)
                build = None
            results.append(run_stage(children, stage))
    finally:
        # A second Ctrl-C must not leave a lab behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        children.stop()
        if needs_lab:
            down = lab_down()
            if down:
                print(f"the lab is not down: python -m lab down --name {LAB} ended with {down}")
        print("\n".join(summary(results, stages)), flush=True)
    return 1 if down or any(result.code for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or STAGES))
