# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.flags [part ...]`: feature flags. Without a part all of them.

  kill      how soon the exchange refuses an order, beside reading Redis every second; the playbook (4 minutes)
  ramp      who loses a feature that more and more users get (8 minutes)
  agree     the same users in the clients of Python and of JavaScript (1 minute)
  large     a toggle in a set of 5,000 flags, and a set that no ConfigMap takes (2 minutes)
  writers   50 writers at once (5 minutes)
  faults    Redis back from an old dump, API servers killed, a full disk: each at every write (root; 10 minutes)
  mounted   the same kills through a ConfigMap that a pod has mounted (root, lab; 40 minutes)

All but the last one run on loopback, with real API servers of the lab's build, a real Redis and a file; `faults` needs
root for a disk that can be full. All rows go into bench/results/flags.json; a part that is run alone leaves the rows of
the others there. The exit code is 1 when a goal was missed.
"""

from __future__ import annotations

import signal
import sys
import typing as t

from bench.command import Bench, run

BENCH: t.Final = Bench(
    "flags",
    ("kill", "ramp", "agree", "large", "writers", "faults", "mounted"),
    __doc__,
    # What never came, or a task that failed where it has to succeed.
    traced=(AssertionError,),
)


def _stop(_number: int, _frame: object) -> None:
    """End as with Ctrl-C: every process of the part is ended as well."""
    signal.raise_signal(signal.SIGINT)


def main() -> int:
    signal.signal(signal.SIGTERM, _stop)
    return run(BENCH)


if __name__ == "__main__":
    sys.exit(main())
