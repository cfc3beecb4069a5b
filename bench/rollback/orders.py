# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.rollback.orders HOST run ...`: the lab's order flow, sent to another host name of the gateways.

Each subject has an exchange of its own behind the same gateways and engines, told apart by its host.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import json
import pathlib
import signal
import subprocess
import sys
import time
import typing as t

import uvloop

from bench.results import ROOT
from lab.errors import LabError
from lab.flow.__main__ import run
from lab.flow.plan import make_plan, parser

_BREATH_S: t.Final = 3
_END_S: t.Final = 120


@dataclasses.dataclass
class Orders:
    """What the flow saw, once it has ended; `last_of` is version -> unix time of its last answer."""

    failed: int = 0
    lost: int = 0
    duplicated: int = 0
    last_of: dict[str, float] = dataclasses.field(default_factory=dict)


def read(report: t.Mapping[str, t.Any]) -> Orders:
    """The figures of a flow's report. Lost and duplicated orders that are not known count as all of them."""
    totals = report["totals"]
    unknown = totals["acknowledged"]
    return Orders(
        # Held for too long by a gateway: to its client that is no answer either.
        failed=totals["failed"] + totals["turned_away"],
        lost=unknown if totals["lost"] is None else totals["lost"],
        duplicated=unknown if totals["duplicated"] is None else totals["duplicated"],
        last_of={name: seen["last_at"] for name, seen in report["versions"].items() if seen.get("last_at")},
    )


@contextlib.contextmanager
def flowing(lab: str, host: str, rate: float, out: pathlib.Path) -> c.Iterator[Orders]:
    """Orders to that host while the block runs, and for some seconds before and after it. Raises LabError."""
    out.unlink(missing_ok=True)
    words = ["run", "--name", lab, "--rate", f"{rate:g}", "--out", str(out)]
    # The flow's clock is the measure: it must not wait for what is measured on a small machine.
    command = ["nice", "-n", "-5", sys.executable, "-m", "bench.rollback.orders", host, *words]
    found = Orders()
    flow = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(_BREATH_S)
        yield found
        time.sleep(_BREATH_S)
    finally:
        flow.send_signal(signal.SIGTERM)
        try:
            flow.wait(_END_S)
        except subprocess.TimeoutExpired:
            flow.kill()
            flow.wait()
    if not out.exists():
        raise LabError(f"the order flow to {host} left no figures")
    found.__dict__.update(read(json.loads(out.read_text(encoding="utf-8"))).__dict__)


def main() -> int:
    host, *words = sys.argv[1:]
    return uvloop.run(run(dataclasses.replace(make_plan(parser().parse_args(words)), host=host)))


if __name__ == "__main__":
    sys.exit(main())
