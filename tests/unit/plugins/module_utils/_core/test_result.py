# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same keys in every result."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core import arguments
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    ApiError,
    LockLost,
    OptionError,
    ReleaseError,
    Undone,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.progress import quiet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.result import execute, failure, ok_result
from fakes import FakeClock

EMPTY = {"answers": {}, "kept": []}


def call(run: t.Callable[..., dict[str, t.Any]]) -> dict[str, t.Any]:
    return execute(run, {}, check_mode=False, diff=True, clock=FakeClock(), progress=quiet, empty=EMPTY)


def test_a_failure_has_the_keys_of_a_success_and_says_why() -> None:
    def fails(params: object, **_rest: object) -> dict[str, t.Any]:
        error = ApiError("eu: no answer", kind="timeout", region="eu", retriable=True)
        error.partial = {"changed": True, "kept": ["a"]}
        raise error

    good = call(lambda params, **rest: ok_result(True, 1, 2))
    bad = call(fails)
    assert bad.keys() - {"failed", "msg", "error"} == good.keys()
    assert (bad["failed"], bad["msg"], bad["changed"], bad["kept"]) == (True, "eu: no answer", True, ["a"])
    assert bad["error"] == {"kind": "timeout", "system": "kubernetes", "region": "eu", "retriable": True}


def test_a_mistake_of_ours_is_not_dressed_up() -> None:
    def breaks(params: object, **_rest: object) -> dict[str, t.Any]:
        raise KeyError("x")

    with pytest.raises(KeyError):
        call(breaks)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (OptionError("routes", "weights must sum to 100"), "option", "routes: weights must sum to 100"),
        (LockLost("gone", region="eu"), "lock_lost", "gone"),
        (Undone("us-east-1", "errors above 2 %"), "undone", "undone by us-east-1: errors above 2 %"),
    ],
)
def test_every_error_says_what_kind_it_is(error: ReleaseError, kind: str, text: str) -> None:
    assert failure(error)["error"]["kind"] == kind
    assert failure(error)["msg"] == text


def test_an_option_stands_in_one_fragment_only() -> None:
    assert set(arguments.merge(arguments.CLUSTER, arguments.RELEASE)) == {*arguments.CLUSTER, *arguments.RELEASE}
    with pytest.raises(ValueError, match="context"):
        arguments.merge(arguments.CLUSTER, {"context": {"type": "str"}})
