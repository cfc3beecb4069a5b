# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.drain [part ...]`: drains and handovers of the matching engine. Without a part all of them.

  handover  v1 to v2 under load and back, beside stopping the old engine and starting the new one
  full      the full drain and the way back to trading
  kills     the module killed before and after each of its requests, and nobody recovers
  faults    every fault of the engine, and a FIX session that does not answer Logout
  many      20 handovers in a row
  bulk      books of 10,000, 100,000 and 1,000,000 orders

Everything runs as processes on loopback: no root and no lab. All rows go into bench/results/drain.json; a part that is
run alone leaves the rows of the others there. The exit code is 1 when a goal was missed.
"""

from __future__ import annotations

import signal
import sys
import typing as t

from bench.command import Bench, run

BENCH: t.Final = Bench(
    "drain",
    ("handover", "full", "kills", "faults", "many", "bulk"),
    __doc__,
    lab=False,
    # What never came, or a task that failed where it has to succeed.
    traced=(AssertionError,),
)


def _stop(_number: int, _frame: object) -> None:
    """End as with Ctrl-C, which cancels what runs: every process of the part is ended as well."""
    signal.raise_signal(signal.SIGINT)


def main() -> int:
    signal.signal(signal.SIGTERM, _stop)
    return run(BENCH)


if __name__ == "__main__":
    sys.exit(main())
