# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a model of the lab while a block runs, through the gateway of every region, and each one's end."""

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

from bench.results import ROOT
from lab.errors import LabError
from lab.model import Lab
from lab.models.drive import Asked

_BREATH_S = 3
_END_S = 60


@dataclasses.dataclass
class Requests:
    """All of them, in every region; `asked` is filled when the block has ended."""

    asked: list[Asked] = dataclasses.field(default_factory=list)

    def due(self, since: float, until: float) -> list[Asked]:
        """Those that were due from `since` on and before `until` (unix seconds)."""
        return [one for one in self.asked if since <= one.due_at < until]

    def last_answer(self, version: str) -> float | None:
        """When the last answer of that version came (unix seconds); None when it gave none."""
        return max((one.due_at + one.took_s for one in self.asked if one.version == version), default=None)


@contextlib.contextmanager
def asking(lab: Lab, model: str, rate: float, folder: pathlib.Path) -> c.Iterator[Requests]:
    """`rate`: requests per second in each region. They begin some seconds before the block. Raises LabError."""
    found = Requests()
    with contextlib.ExitStack() as stack:
        drivers = []
        for site in lab.regions:
            each = folder / f"{site.name}.jsonl"
            each.unlink(missing_ok=True)
            words = ["--name", lab.name, "--region", site.name, "--model", model, "--rate", f"{rate:g}"]
            # The driver's clock is the measure: it must not wait for what is measured on a small machine.
            command = ["nice", "-n", "-5", sys.executable, "-m", "lab.models.drive", *words, "--each", str(each)]
            driver = stack.enter_context(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL))
            # Whatever happens in the block; a driver that has ended is not asked again.
            stack.callback(driver.kill)
            drivers.append((driver, each))
        time.sleep(_BREATH_S)
        yield found
        for driver, _each in drivers:
            driver.send_signal(signal.SIGTERM)
        for driver, each in drivers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                driver.wait(_END_S)
            if not each.exists():
                raise LabError(f"the requests to {model} ended early, with {driver.returncode}")
            found.asked += read(each.read_text(encoding="utf-8"))


def read(text: str) -> list[Asked]:
    """What `--each` of the driver has written."""
    return [Asked(**json.loads(line)) for line in text.splitlines()]
