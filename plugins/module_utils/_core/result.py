# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same keys in every result: ok, check mode, time-out and failure."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import Progress

JsonObject = dict[str, t.Any]
#: What every area offers: run(params, *, check_mode, diff, clock, progress) -> result.
Run = Callable[..., JsonObject]


def ok_result(changed: bool, before: t.Any = None, after: t.Any = None, **extra: t.Any) -> JsonObject:
    """A result. `before` and `after` are what --diff shows."""
    return {"changed": changed, "diff": {"before": before, "after": after}, **extra}


def failure(error: ReleaseError, empty: Mapping[str, t.Any] | None = None) -> JsonObject:
    """The result of a failure: the keys of `empty`, what is known so far, and why."""
    known = {"changed": False, "diff": {"before": None, "after": None}, **(empty or {}), **error.partial}
    return {**known, "failed": True, "msg": error.message, "error": error.to_result()}


def execute(
    run: Run,
    params: Mapping[str, t.Any],
    *,
    check_mode: bool,
    diff: bool,
    clock: Clock,
    progress: Progress,
    empty: Mapping[str, t.Any] | None = None,
) -> JsonObject:
    """Run, and map what went wrong once. `empty` has every key of the result with its value for "not known"."""
    try:
        return {**(empty or {}), **run(params, check_mode=check_mode, diff=diff, clock=clock, progress=progress)}
    except ReleaseError as error:
        return failure(error, empty)
