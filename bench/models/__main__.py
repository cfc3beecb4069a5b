# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.models [part ...]`: how models are judged. Without a part all of them, one after the other.

  simulated  false and late rollbacks on simulated labels beside plain rules; challengers that are worse in one segment
  judged     100,000 pairs: seconds and memory
  streamed   the same out of a real Redis, with the report

Each part writes its rows into bench/results/models.json. The exit code is 1 when a goal was missed.
"""

from __future__ import annotations

import sys
import typing as t

from bench.command import Bench, run

BENCH: t.Final = Bench("models", ("simulated", "judged", "streamed"), __doc__, lab=False)


if __name__ == "__main__":
    sys.exit(run(BENCH))
