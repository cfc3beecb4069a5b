# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m bench.dns [part ...]`: weights of regions. Without a part all of them.

  evacuate  one of two regions evacuated under orders, killed, brought back and ramped in (17 minutes)
  killed    a region killed without warning: when the last new order fails (9 minutes)
  large     requests for a change in a large zone, and 20 processes that share Route 53's limit (4 minutes)
  guards    every guard tried once (1 minute)

`evacuate` and `killed` need root and a lab; the others run on loopback, with a real PowerDNS and with Route 53's rules
in front of moto. All rows go into bench/results/dns.json; a part that is run alone leaves the rows of the others there.
The exit code is 1 when a goal was missed.
"""

from __future__ import annotations

import sys
import typing as t

from bench.command import Bench, run

BENCH: t.Final = Bench("dns", ("evacuate", "killed", "large", "guards"), __doc__)


if __name__ == "__main__":
    sys.exit(run(BENCH))
