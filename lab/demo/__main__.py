# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m lab.demo`: a good version out, bad versions refused, under live orders, with the proof at the end.

The lab stays up afterwards, with how to look around in it and how to stop it.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

from lab.demo.evidence import read_flow, read_release
from lab.demo.playbook import CHECKOUT, Playbooks
from lab.demo.verdict import Release, judge
from lab.model import BLOCKS, plan_lab

_FLOW_END_S: t.Final = 120
_BREATH_S: t.Final = 1


def _say(text: str) -> None:
    print(f"\n=== {time.strftime('%H:%M:%S')} {text}", flush=True)


def _flow_command(lab: str, rate: float, out: pathlib.Path) -> list[str]:
    flow = [sys.executable, "-m", "lab.flow", "run", "--name", lab, "--rate", f"{rate:g}", "--out", str(out)]
    # The flow's clock is the measure: it must not wait for the releases' processes on a small machine.
    return ["nice", "-n", "-5", *flow]


def _end_flow(flow: subprocess.Popen[bytes]) -> int:
    if flow.poll() is None:
        flow.send_signal(signal.SIGTERM)
    try:
        return flow.wait(timeout=_FLOW_END_S)
    except subprocess.TimeoutExpired:
        flow.kill()
        return flow.wait()


def _release(playbooks: Playbooks, version: str) -> Release:
    known = playbooks.list_reports()
    code = playbooks.run("deploy", release_version=version)
    return read_release(version, code, playbooks.newest_report(known))


def _try_versions(playbooks: Playbooks, versions: t.Iterable[tuple[str, str]]) -> list[Release]:
    releases = []
    for version, what in versions:
        _say(f"deploy {version}: {what}")
        releases.append(_release(playbooks, version))
        time.sleep(_BREATH_S)
    return releases


def run(lab: str, rate: float, reports: pathlib.Path) -> int:
    """0 when every promise of the last line was kept."""
    began = time.monotonic()
    reports.mkdir(parents=True, exist_ok=True)
    playbooks = Playbooks(lab, reports)
    _say("lab up: two Kubernetes regions and the fleet's control plane")
    if subprocess.run([sys.executable, "-m", "lab", "up", "--name", lab], cwd=CHECKOUT, check=False).returncode:
        return 1
    _say("deploy v1: the version that the exchange runs today")
    if playbooks.run("deploy", release_version="v1"):
        print("demo FAILED: v1 could not be deployed; look at the messages above", file=sys.stderr)
        return 1
    _say(f"order flow on: {rate:g} orders/s over all regions, through the gateways only")
    out = reports / "flow.json"
    out.unlink(missing_ok=True)
    flow = subprocess.Popen(_flow_command(lab, rate, out), cwd=CHECKOUT)
    try:
        time.sleep(_BREATH_S)
        releases = _try_versions(
            playbooks,
            (
                ("v2", "a good version, to both regions"),
                ("v3", "answers 20 % of the orders with 500; expected: caught at 10 % in the first region"),
                ("v5", "crashes at start; expected: caught before any traffic"),
                ("v7", "a tag that does not exist; expected: caught before any traffic"),
            ),
        )
    finally:
        _say("order flow off, reconcile every acknowledgement with the engines' journals")
        flow_code = _end_flow(flow)
    _say("report")
    playbooks.run("report")
    if flow_code not in (0, 1) or not out.exists():
        print(f"demo FAILED: the order flow ended with {flow_code} and left no figures", file=sys.stderr)
        return 1
    outcome = judge(releases, read_flow(json.loads(out.read_text())))
    print("\nthe gate's rules: profile `lab` of the collection (docs/gate.md), failures against 1 % at every scrape")
    for release in releases:
        if release.reason:
            print(f"{release.version} was refused: {release.reason}")
    print(f"reports: {reports}   took {time.monotonic() - began:.0f} s")
    home = plan_lab(lab)
    print(f"look around: export KUBECONFIG={home.kubeconfig}   stop: .venv/bin/python -m lab down --name {lab}")
    for problem in outcome.problems:
        print(f"problem: {problem}")
    print(outcome.line, flush=True)
    return 0 if outcome.ok else 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m lab.demo", description=__doc__)
    parser.add_argument("--name", default="demo", choices=sorted(BLOCKS), help="the lab to use (default demo)")
    parser.add_argument("--rate", type=float, default=200, help="orders per second over all regions (default 200)")
    parser.add_argument("--reports", type=pathlib.Path, default=CHECKOUT / "reports" / "demo", help="folder of reports")
    arguments = parser.parse_args()
    return run(arguments.name, arguments.rate, arguments.reports)


if __name__ == "__main__":
    sys.exit(main())
