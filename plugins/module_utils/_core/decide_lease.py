# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may hold the lease. Pure."""

from __future__ import annotations

import dataclasses
import enum
import typing as t

#: Writes end this share of the lease before the lease does.
MARGIN: t.Final = 1 / 3


@dataclasses.dataclass(frozen=True)
class LeaseState:
    """A lease as it was read. An empty holder has released it; `token` grows with every change of hands."""

    holder: str
    token: int
    duration_s: float
    renewed_at: float


class Watch(enum.Enum):
    """The lease looks lapsed: watch it for one full duration by one's own clock before it is taken."""

    LAPSED = enum.auto()


class Denied(enum.Enum):
    """A living holder."""

    HELD = enum.auto()


def decide_acquire(lease: LeaseState | None, me: str, now: float, unchanged_s: float) -> int | Watch | Denied:
    """The token to take the lease with; or to watch it first; or that it is somebody's.

    `unchanged_s` is how long the caller has watched this very renewal. An unfinished journal has refused before.
    """
    if lease is None:
        return 1
    if lease.holder == me:
        # Only after an answer that was lost: the name holds the release and the process.
        return lease.token
    if not lease.holder or unchanged_s >= lease.duration_s:
        return lease.token + 1
    return Denied.HELD if now < lease.renewed_at + lease.duration_s else Watch.LAPSED


class Hold(enum.Enum):
    """What the holder does before a write."""

    LOST = enum.auto()
    RENEW = enum.auto()
    HELD = enum.auto()


def decide_hold(lease: LeaseState | None, holder: str, token: int, now: float, renew_s: float) -> Hold:
    """A lapsed lease that nobody took is renewed by its own holder."""
    if lease is None or lease.holder != holder or lease.token != token:
        return Hold.LOST
    return Hold.HELD if 0 <= now - lease.renewed_at < renew_s else Hold.RENEW


def writes_until(renewed_at: float, duration_s: float) -> float:
    """The instant after which nothing is sent under a renewal that was sent at `renewed_at`."""
    return renewed_at + duration_s * (1 - MARGIN)
