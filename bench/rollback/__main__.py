# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.rollback [part ...]`: ways back of a whole environment. Without a part all of them.

  back      rollback.yml and abort.yml beside kubectl and Helm, under live orders (25 minutes)
  overhead  a healthy release beside kubectl apply and rollout status (5 minutes)
  dead      three regions, one of them dead: do the two others wait for it? (15 minutes)

All need root and a lab. All rows go into bench/results/rollback.json; a part that is run alone leaves the rows of the
others there. The exit code is 1 when a goal was missed.
"""

from __future__ import annotations

import sys
import typing as t

from bench.command import Bench, run

BENCH: t.Final = Bench("rollback", ("back", "overhead", "dead"), __doc__)


if __name__ == "__main__":
    sys.exit(run(BENCH))
