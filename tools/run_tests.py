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
    *("test-dns", "test-flags", "test-models", "test-lab", "test-molecule", "test-e2e"),
)
#: The stages that run on the lab.
ON_LAB = ("test-lab", "test-molecule", "test-e2e")
#: The lab that the tests use; the demo's has another name and stays as it is.
LAB = "test"


@dataclasses.dataclass(frozen=True)
class Build:
    """What takes minutes on a cold machine: it is made in the background while the stages before `stages` run."""

    what: str
    log: str
    code: str
    stages: tuple[str, ...]


#: Each does what its stages would do first; without root and without starting anything.
BUILDS = (
    Build(
        "the lab's binaries", "lab-build", "from lab import binaries, steps; binaries.prepare(steps.Steps())", ON_LAB
    ),
    Build("MLflow", "mlflow", "from lab.models import registry_server; registry_server.python()", ("test-models",)),
)

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


def start_builds(children: Children, stages: t.Sequence[str]) -> dict[Build, subprocess.Popen[str]]:
    """Start what these stages need with what the other ones leave of the machine; a warm cache ends at once."""
    started = {}
    for build in BUILDS:
        if set(build.stages) & set(stages):
            log = ROOT / ".build" / f"{build.log}-build.log"
            log.parent.mkdir(exist_ok=True)
            with log.open("w", encoding="utf-8") as out:
                command = ["nice", sys.executable, "-c", build.code]
                started[build] = children.start(command, stdout=out, stderr=subprocess.STDOUT)
    return started


def wait_for(builds: dict[Build, subprocess.Popen[str]], stage: str) -> None:
    """Wait for what the stage needs. Where that failed the stage tells why; here is only said where to read it."""
    for build in [one for one in builds if stage in one.stages]:
        process = builds.pop(build)
        if process.poll() is None:
            print(f"\n== waiting for {build.what} (log: .build/{build.log}-build.log)", flush=True)
        if process.wait() != 0:
            print(f"building {build.what} failed, see .build/{build.log}-build.log", flush=True)


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
    needs_lab = any(stage in ON_LAB for stage in stages)
    down = 0
    try:
        builds = start_builds(children, stages)
        for stage in stages:
            wait_for(builds, stage)
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
