# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.gate [part ...]`: the gate beside its peers. Without a part all of them, one after the other.

  rollout   when it says pass or fail, beside kubectl, Helm and kubernetes.core (15 minutes; root, a lab)
  scale     500 Deployments in one call, beside 5 (20 minutes; root, a lab)
  canary    how long a bad version is visible with its own rule and the peers' (20 minutes; root, a lab)
  alarms    false alarms and detections on simulated canaries
  replayed  the same on simulated series, beside the rules of others

Each part writes bench/results/gate_PART.json. The exit code is 1 when a goal was missed.
"""

from __future__ import annotations

import sys
import typing as t

from bench.command import Bench, run

BENCH: t.Final = Bench("gate", ("rollout", "scale", "canary", "alarms", "replayed"), __doc__, together=False)


if __name__ == "__main__":
    sys.exit(run(BENCH))
