# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a drain, and what is to be done next given what is seen. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import clock_time
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.contract import MODES
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.status import Engine, Gateway


@dataclasses.dataclass(frozen=True)
class Seen:
    """Everybody's status at one look. `new` is the second engine: of a handover, or to prove a snapshot. `now_ms` is
    unix milliseconds."""

    engine: Engine
    new: Engine | None
    gateways: tuple[Gateway, ...]
    now_ms: int


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the drain is to do. `reason` is also how a drain knows its own announcement again."""

    way: t.Literal["full", "handover"]
    reason: str
    mode: str = "cancel_only"
    emergency: bool = False
    announce: bool = False
    min_disk_free_bytes: int = 0
    max_lag: int = 1000


FULL: t.Final = (
    "announce",
    "cancel_only",
    "in_flight",
    "settlement",
    "halt",
    "snapshot",
    "prove",
    "sessions",
    "unready",
)
HANDOVER: t.Final = ("follow", "announce", "catch_up", "rehearse", "cut", "compare", "open", "gateways", "follow_back")
#: In which the way back stays for a while, and what it ends in.
RESUME: t.Final = ("cancel_only", "post_only", "online")


def preconditions(wanted: Wanted, seen: Seen) -> list[str]:
    """A sentence for everything that forbids to begin. What an exchange does not say forbids nothing."""
    engine = seen.engine
    found = _healthy(engine, wanted.min_disk_free_bytes)
    if not wanted.emergency and engine.announced is not None and not _is_ours(wanted, engine):
        until = engine.announced_until
        if until is None or until > seen.now_ms:
            ends = f" until {clock_time(until / 1000)}" if until is not None else ""
            out = f"; it is {engine.mode}, and state online leads out of it" if engine.mode != "online" else ""
            found.append(f"another drain is under way: {engine.name} announces {engine.announced!r}{ends}{out}")
    if wanted.way == "full":
        if not engine.leads:
            found.append(f"{engine.name} is {engine.role} and does not lead, so there is nothing to drain in it")
        return found + (_comparable(engine, seen.new) + _formats(engine, seen.new) if seen.new is not None else [])
    return found + _handover(wanted, seen)


def left_behind(wanted: Wanted, seen: Seen) -> str | None:
    """A sentence about a mode that was found and that this task does not end; None when trading is open. A full drain
    that is killed leaves the engine in it, on purpose: nobody knows how far it had come."""
    engine = seen.new if seen.new is not None and seen.new.leads and not seen.engine.leads else seen.engine
    if engine.mode == "online":
        return None
    whose = "an earlier try of this drain left" if _is_ours(wanted, engine) else "a drain that was killed leaves"
    return f"{engine.name} was {engine.mode} already, as {whose} it; state online leads out of it"


def next_steps(wanted: Wanted, seen: Seen) -> tuple[str, ...]:
    """The steps that are left, in their order; none when it is done."""
    return _full_steps(wanted, seen) if wanted.way == "full" else _handover_steps(wanted, seen)


def resume_steps(seen: Seen) -> tuple[str, ...]:
    """The steps back to `online`. A stricter mode is never gone back to, but the one that is found is kept for its
    time: in it are now clients that could not cancel before."""
    engine = seen.engine
    modes = tuple(mode for mode in RESUME if MODES.index(mode) <= MODES.index(engine.mode))
    if engine.mode == "online":
        modes = ()
    ready = ("ready",) if any(gateway.ready is False for gateway in seen.gateways) else ()
    withdraw = ("withdraw",) if engine.announced is not None else ()
    steps = (*ready, *modes, *withdraw)
    return ("verify", *steps) if steps else ()


def back_to(wanted: Wanted, engine: Engine) -> str:
    """The mode that a failed drain goes back to: the one that was found, or `online` when an earlier try of the same
    drain had changed it."""
    return "online" if _is_ours(wanted, engine) else engine.mode


def in_flight(seen: Seen) -> int | None:
    """Orders that a gateway has accepted and no engine has acknowledged; None when nobody counts them."""
    counted = [gateway.in_flight for gateway in seen.gateways]
    if not counted or any(count is None for count in counted):
        return None
    behind = (seen.engine.sequence - seen.engine.durable_sequence) if seen.engine.durable_sequence is not None else 0
    return sum(t.cast("list[int]", counted)) + behind


def see_new_leader(gateways: Sequence[Gateway], epoch: int) -> list[str]:
    """The gateways that do not send to the engine of this epoch yet, or still hold orders for it. One that does not
    tell is not waited for."""
    return [
        one.name
        for one in gateways
        if (one.engine_epoch is not None and one.engine_epoch < epoch) or (one.held or 0) > 0
    ]


def _is_ours(wanted: Wanted, engine: Engine) -> bool:
    return engine.announced == wanted.reason


def _healthy(engine: Engine, min_disk_free_bytes: int) -> list[str]:
    found = []
    if engine.journal_ok is False:
        found.append(f"{engine.name}: its journal is not healthy")
    if engine.disk_free_bytes is not None and engine.disk_free_bytes < min_disk_free_bytes:
        free, needed = engine.disk_free_bytes // 2**20, min_disk_free_bytes // 2**20
        found.append(f"{engine.name}: {free} MiB of disk are free and {needed} are needed (min_disk_free_mb)")
    return found


def _handover(wanted: Wanted, seen: Seen) -> list[str]:
    old, new = seen.engine, seen.new
    if new is None:
        return ["no new engine is known"]
    found = _healthy(new, wanted.min_disk_free_bytes)
    if old.name == new.name:
        found.append(f"engine and new_engine are the same, {old.name}")
    if old.leads and new.leads:
        found.append(f"{old.name} and {new.name} both say that they lead")
    elif not new.leads and old.role not in ("leader", "closed"):
        found.append(f"neither {old.name} ({old.role}) nor {new.name} ({new.role}) leads")
    if new.leads:
        # It is past: what is left needs nothing of this.
        return found
    formats = _formats(old, new) + _formats(new, old)
    if new.follow_error and not _formats(old, new):
        # An engine that cannot read the format cannot follow either; why says its format.
        found.append(f"{new.name} cannot follow: {new.follow_error}")
    return found + _comparable(old, new) + formats


def _comparable(one: Engine, other: Engine) -> list[str]:
    if one.projection == other.projection:
        return []
    return [
        f"{one.name} has projection {one.projection} and {other.name} has {other.projection}; nothing could be compared"
    ]


def _formats(writer: Engine, reader: Engine) -> list[str]:
    """The format guard. The second direction is the way back: without it a handover could not be undone."""
    if writer.format_writes is None or reader.format_reads is None or writer.format_writes in reader.format_reads:
        return []
    reads = ", ".join(map(str, reader.format_reads))
    return [f"{writer.name} writes format {writer.format_writes} and {reader.name} reads {reads} only"]


def _full_steps(wanted: Wanted, seen: Seen) -> tuple[str, ...]:
    engine = seen.engine
    strict = MODES.index(engine.mode) >= MODES.index(wanted.mode)
    closed = all(gateway.ready is False and not gateway.sessions for gateway in seen.gateways)
    # An exchange that does not tell its snapshots has made one before its gateways were closed.
    proved = bool(seen.gateways) if engine.snapshot_sequence is None else engine.snapshot_sequence == engine.sequence
    if strict and closed and proved:
        return ()
    left_out = {
        "announce": not wanted.announce,
        # A stricter mode is not gone back from, not even to wait.
        "cancel_only": wanted.emergency or MODES.index(engine.mode) >= MODES.index("cancel_only"),
        "halt": wanted.emergency or wanted.mode != "halted" or engine.mode == "halted",
        "sessions": not seen.gateways,
        "unready": not seen.gateways,
    }
    steps = tuple(step for step in FULL if not left_out.get(step))
    if wanted.emergency and engine.mode != "halted":
        return ("halt", *steps)
    return steps


def _handover_steps(wanted: Wanted, seen: Seen) -> tuple[str, ...]:
    old, new = seen.engine, seen.new
    if new is None:
        raise AssertionError("a handover has a second engine")
    if new.leads:
        late = see_new_leader(seen.gateways, new.epoch)
        # Once the standby has ended the new engine writes what the old one cannot read, and so cannot follow.
        left = {"gateways": bool(late), "follow_back": old.role != "follower" and not _formats(new, old)}
        return tuple(step for step, needed in left.items() if needed)
    left_out = {"announce": not wanted.announce, "follow": new.role == "follower"}
    steps = tuple(step for step in HANDOVER if not left_out.get(step))
    # An earlier cut that nobody confirmed: its deadline brings the old engine back, and only then is there a new one.
    return ("return", *steps) if old.role == "closed" else steps
