# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.way_back`: how long a bad version is visible, over five releases of v3 under live orders.

Four figures are told apart: first to last bad answer, breach to decision (the gate's work), decision to weights,
and weights to last bad answer. The first stands beside the best of another rollout controller, measured once in such
a lab at 100 requests/s and not run here: Argo Rollouts with a 1 s analysis interval, 5.3 s.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

from bench.results import ROOT, Goal, row, table, write
from lab.demo.evidence import read_flow, read_release
from lab.demo.playbook import Playbooks
from lab.demo.verdict import Flow, Release

REFERENCE_S: t.Final = 5.3
_BREATH_S: t.Final = 3
_FLOW_END_S: t.Final = 120

Round = tuple[Release, Flow]


def figures(release: Release, flow: Flow) -> dict[str, float | None]:
    """The four figures of one round in seconds; None where there was nothing to measure."""

    def between(start: float | None, end: float | None) -> float | None:
        return None if start is None or end is None else end - start

    after = between(release.weights_at, flow.last_bad)

    return {
        "first to last bad": between(flow.first_bad, flow.last_bad),
        "breach to decision": between(flow.first_bad, release.decided_at),
        "decision to weights": between(release.decided_at, release.weights_at),
        # The last bad answer may have come before the weights were back: then nothing came after.
        "weights to last bad": None if after is None else max(0.0, after),
    }


def rows(rounds: t.Sequence[Round]) -> list[dict[str, t.Any]]:
    measured = [figures(release, flow) for release, flow in rounds]
    goals = {"first to last bad": Goal(REFERENCE_S, REFERENCE_S), "weights to last bad": Goal(1.0)}
    timed = [
        row("v3 at 10 %", metric, [each[metric] for each in measured], goals.get(metric, Goal()))
        for metric in ("first to last bad", "breach to decision", "decision to weights", "weights to last bad")
    ]
    counted = [
        row("v3 at 10 %", metric, [float(getattr(flow, field)) for _release, flow in rounds], Goal(0.5), "count")
        for metric, field in (
            ("lost orders", "lost"),
            ("duplicated orders", "duplicated"),
            ("refused orders", "refused"),
            ("failed by healthy", "failed_by_healthy_versions"),
        )
    ]
    return timed + counted


def _round(playbooks: Playbooks, lab: str, rate: float) -> Round:
    """One release of v3 under a flow of its own."""
    out = playbooks.reports / "flow.json"
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "lab.flow", "run", "--name", lab, "--rate", f"{rate:g}", "--out", str(out)]
    flow = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        time.sleep(_BREATH_S)
        known = playbooks.list_reports()
        code = playbooks.run("deploy", release_version="v3")
        release = read_release("v3", code, playbooks.newest_report(known))
        time.sleep(_BREATH_S)
    finally:
        flow.send_signal(signal.SIGTERM)
        try:
            flow.wait(_FLOW_END_S)
        except subprocess.TimeoutExpired:
            flow.kill()
            flow.wait()
    return release, read_flow(json.loads(out.read_text(encoding="utf-8")))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.way_back", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how many releases of v3 (default 5)")
    parser.add_argument("--rate", type=float, default=200, help="orders per second over all regions (default 200)")
    parser.add_argument("--name", default="test", help="the lab to use; it is stopped afterwards (default test)")
    options = parser.parse_args()
    reports: pathlib.Path = ROOT / "reports" / "bench"
    reports.mkdir(parents=True, exist_ok=True)
    playbooks = Playbooks(options.name, reports)
    lab = [sys.executable, "-m", "lab"]
    try:
        for command in ("down", "up"):
            subprocess.run([*lab, command, "--name", options.name], cwd=ROOT, check=True)
        if playbooks.run("deploy", release_version="v1"):
            print("v1 could not be deployed; look at the messages above", file=sys.stderr)
            return 1
        measured = []
        for number in range(options.rounds):
            print(f"\n=== round {number + 1} of {options.rounds}", flush=True)
            measured.append(_round(playbooks, options.name, options.rate))
    finally:
        subprocess.run([*lab, "down", "--name", options.name], cwd=ROOT, check=False)
    result = rows(measured)
    versions = {name: importlib.metadata.version(name) for name in ("ansible-core", "kubernetes")}
    print("\n".join(["", *table(result), f"written: {write('way_back', result, versions).relative_to(ROOT)}"]))
    return 0 if all(entry["met"] is not False for entry in result) else 1


if __name__ == "__main__":
    sys.exit(main())
