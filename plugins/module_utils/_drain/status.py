# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What engines and gateways say of themselves, as values. Pure. None is what an exchange does not say."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping

JsonObject = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Engine:
    """The status of one engine. Sequence numbers count events; times are unix milliseconds."""

    name: str
    version: str | None
    role: str
    mode: str
    epoch: int
    sequence: int
    durable_sequence: int | None = None
    projection: int | None = None
    format_writes: int | None = None
    format_reads: tuple[int, ...] | None = None
    follow_url: str | None = None
    lag_events: int | None = None
    follow_error: str | None = None
    follow_problem: str | None = None
    pending_settlements: int | None = None
    disk_free_bytes: int | None = None
    journal_ok: bool | None = None
    snapshot_sequence: int | None = None
    announced: str | None = None
    announced_until: int | None = None

    @property
    def leads(self) -> bool:
        return self.role == "leader"


@dataclasses.dataclass(frozen=True)
class Gateway:
    """The status of one gateway. `fix` is the two sequence numbers of each FIX session."""

    name: str
    in_flight: int | None = None
    held: int | None = None
    ready: bool | None = None
    engine_epoch: int | None = None
    engine_url: str | None = None
    websocket: int | None = None
    fix: Mapping[str, tuple[int, int]] | None = None

    @property
    def sessions(self) -> int | None:
        """How many are connected; None when that is not said."""
        if self.websocket is None and self.fix is None:
            return None
        return (self.websocket or 0) + len(self.fix or ())


def engine_of(name: str, fields: Mapping[str, t.Any], mode: str | None) -> Engine:
    """The status out of the fields of an answer. `mode` is ours for what it said. Raises ValueError."""
    if mode is None:
        raise ValueError(f"mode {fields.get('mode')!r} is none that contract.modes names")
    announced = fields.get("announcement") or {}
    if not isinstance(announced, Mapping):
        raise ValueError("announcement is no mapping")
    sequence = _whole(fields, "sequence")
    if sequence is None:
        raise ValueError("there is no sequence")
    reads = fields.get("format_reads")
    return Engine(
        name=str(fields.get("name") or name),
        version=_text(fields, "version"),
        # An exchange with one engine has no roles, and no epochs.
        role=str(fields.get("role") or "leader"),
        mode=mode,
        epoch=_whole(fields, "epoch") or 0,
        sequence=sequence,
        durable_sequence=_whole(fields, "durable_sequence"),
        projection=_whole(fields, "projection"),
        format_writes=_whole(fields, "format_writes"),
        format_reads=tuple(int(one) for one in reads) if isinstance(reads, list) else None,
        follow_url=_text(fields, "follow_url"),
        lag_events=_whole(fields, "lag_events"),
        follow_error=_text(fields, "follow_error"),
        follow_problem=_text(fields, "follow_problem"),
        pending_settlements=_whole(fields, "pending_settlements"),
        disk_free_bytes=_whole(fields, "disk_free_bytes"),
        journal_ok=_truth(fields, "journal_ok"),
        snapshot_sequence=_whole(fields, "snapshot_sequence"),
        announced=_text(announced, "reason"),
        announced_until=_instant(announced, "deadline_at"),
    )


def gateway_of(name: str, fields: Mapping[str, t.Any]) -> Gateway:
    """The status out of the fields of an answer. Raises ValueError."""
    fix = fields.get("fix")
    if fix is not None and not isinstance(fix, list):
        raise ValueError("sessions.fix is no list")
    return Gateway(
        name=str(fields.get("name") or name),
        in_flight=_whole(fields, "in_flight"),
        held=_whole(fields, "held"),
        ready=_truth(fields, "ready"),
        engine_epoch=_whole(fields, "engine_epoch"),
        engine_url=_text(fields, "engine_url"),
        websocket=_whole(fields, "websocket"),
        fix=None if fix is None else {str(one["id"]): _numbers(one) for one in fix if isinstance(one, Mapping)},
    )


def shown(status: Engine | Gateway) -> JsonObject:
    """A status as a result holds it."""
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in dataclasses.asdict(status).items()
    }


def _numbers(session: Mapping[str, t.Any]) -> tuple[int, int]:
    return _whole(session, "sender_seq") or 0, _whole(session, "target_seq") or 0


def _whole(fields: Mapping[str, t.Any], name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{name} is no number")
    try:
        return int(value)
    except ValueError as error:
        raise ValueError(f"{name} is no number") from error


def _instant(fields: Mapping[str, t.Any], name: str) -> int | None:
    """Unix milliseconds, or text in ISO 8601."""
    value = fields.get(name)
    if not isinstance(value, str):
        return _whole(fields, name)
    try:
        at = datetime.datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{name} is no instant") from error
    return int(1000 * (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp())


def _truth(fields: Mapping[str, t.Any], name: str) -> bool | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"{name} is neither true nor false")
    return value


def _text(fields: Mapping[str, t.Any], name: str) -> str | None:
    value = fields.get(name)
    return None if value is None else str(value)
