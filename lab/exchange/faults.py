# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of the bad versions. They are in core-api only; v1 and v2 have none.

v3  answers 500 to 20 % of the orders, before the engine sees them; the same order fails again when it is sent again
v4  answers 300 ms later
v5  crashes at its start
v6  never becomes ready
"""

from __future__ import annotations

import hashlib

SLOW_S = 0.3


def _has(service: str, version: str, faulty: str) -> bool:
    return service == "core-api" and version == faulty


def fails_order(service: str, version: str, client_order_id: str) -> bool:
    """Whether this version fails this order. A hash of the id decides, so that a retry fails again."""
    if not _has(service, version, "v3"):
        return False
    digest = hashlib.sha256(b"v3 " + client_order_id.encode()).digest()
    return int.from_bytes(digest[:4], "big") % 5 == 0


def delay_s(service: str, version: str) -> float:
    """How much later this version answers an order."""
    return SLOW_S if _has(service, version, "v4") else 0.0


def crash_at_start(service: str, version: str) -> None:
    """Raise what v5 dies of."""
    if _has(service, version, "v5"):
        raise RuntimeError("order limits: the table has no column 'max_open_orders'")


def never_ready(service: str, version: str) -> bool:
    """Whether this version stays unready for ever."""
    return _has(service, version, "v6")
