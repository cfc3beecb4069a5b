# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which a task of the collection can fail, mapped once to the `error` of its result."""

from __future__ import annotations

import typing as t


class ReleaseError(Exception):
    """A failure that the collection expects. `partial` holds what is known of the result so far. `unsure`: whether the
    write that failed may have been carried out, for those who know it; None leaves it to the kind."""

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        system: str = "release",
        region: str | None = None,
        retriable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind
        self.system = system
        self.region = region
        self.retriable = retriable
        self.partial: dict[str, t.Any] = {}
        self.unsure: bool | None = None

    def to_result(self) -> dict[str, t.Any]:
        return {"kind": self.kind, "system": self.system, "region": self.region, "retriable": self.retriable}


class Conflict(t.NamedTuple):
    """A field that another manager owns."""

    field: str
    manager: str


class ApiError(ReleaseError):
    """An answer of an API server, or none. `kind` is one of conflict, forbidden, unauthorized, invalid, not_found,
    server, unreachable, timeout. `conflicts` is filled when server-side apply met another field manager."""

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        status: int = 0,
        region: str | None = None,
        retriable: bool = False,
        conflicts: tuple[Conflict, ...] = (),
    ) -> None:
        super().__init__(message, kind=kind, system="kubernetes", region=region, retriable=retriable)
        self.status = status
        self.conflicts = conflicts


class OptionError(ReleaseError):
    """Bad input. The message starts with the name of the option."""

    def __init__(self, option: str, problem: str, *, region: str | None = None) -> None:
        super().__init__(f"{option}: {problem}", kind="option", system="input", region=region)
        self.option = option


def may_have_written(error: ReleaseError) -> bool:
    """Whether the write that ended in this error may have been carried out: there was no answer that says otherwise,
    and nobody knows that it was not sent."""
    return error.kind in {"timeout", "unreachable", "server"} if error.unsure is None else error.unsure


class TryLater(ReleaseError):
    """A failure that may pass. `wait_s`: seconds that the system asks to wait before the next request."""

    def __init__(self, message: str, *, kind: str, system: str, wait_s: float) -> None:
        super().__init__(message, kind=kind, system=system, retriable=True)
        self.wait_s = wait_s


def asked_wait_s(error: ReleaseError) -> float:
    """Seconds that the system asks to wait; 0 when it asks for nothing."""
    return error.wait_s if isinstance(error, TryLater) else 0.0


class LockLost(ReleaseError):
    """The lease is not ours any more, or the controller that holds it is gone: nothing may be written."""

    def __init__(self, message: str, *, region: str | None = None) -> None:
        super().__init__(message, kind="lock_lost", system="journal", region=region)


class LeaseEnding(LockLost):
    """A write was not sent, because the API server was away until our lease was about to end. Nobody may have taken it:
    then it is ours to renew."""


class Undone(ReleaseError):
    """The fleet has decided that this release is taken back."""

    def __init__(self, by: str, reason: str, *, region: str | None = None) -> None:
        super().__init__(f"undone by {by}: {reason}", kind="undone", system="journal", region=region)
        self.by = by
        self.reason = reason


class Refused(ReleaseError):
    """Somebody else's release stands in the way."""

    def __init__(self, message: str, *, region: str | None = None) -> None:
        super().__init__(message, kind="locked", system="journal", region=region)
