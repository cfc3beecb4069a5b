# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.models [part ...]`: how models are judged, and what new ones cost those that serve. Without a part
all of them, one after the other.

  simulated  false and late rollbacks on simulated labels beside plain rules; challengers that are worse in one segment
  judged     100,000 pairs: seconds and memory
  streamed   the same out of a real Redis, with the report
  beside     what the shadow of a slow and of a dead challenger costs the champion (root, lab; 25 minutes)
  back       from the decision to take a worse version back until the champion serves all (root, lab; 7 minutes)

All rows go into bench/results/models.json; a part that is run alone leaves the rows of the others there. The exit code
is 1 when a goal was missed.
"""

from __future__ import annotations

import sys
import typing as t

from bench.command import Bench, run

BENCH: t.Final = Bench("models", ("simulated", "judged", "streamed", "beside", "back"), __doc__)


if __name__ == "__main__":
    sys.exit(run(BENCH))
