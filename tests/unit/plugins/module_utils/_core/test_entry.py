# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of every module through its process."""

from __future__ import annotations

import gc
import types
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.entry import run_module
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError

Json = dict[str, t.Any]


class Left(Exception):
    """As Ansible leaves: nothing comes after it."""


class FakeModule(types.SimpleNamespace):
    def exit_json(self, **result: t.Any) -> t.NoReturn:
        raise Left("ok", result)

    def fail_json(self, **result: t.Any) -> t.NoReturn:
        raise Left("failed", result)


@pytest.fixture
def module() -> t.Iterator[FakeModule]:
    yield FakeModule(params={"name": "x"}, check_mode=True, _diff=False)
    gc.unfreeze()


def test_a_result_is_given_out_with_every_key(module: FakeModule) -> None:
    def run(params: Json, *, check_mode: bool, **_more: t.Any) -> Json:
        return {"changed": check_mode, "name": params["name"]}

    with pytest.raises(Left) as left:
        run_module(t.cast("t.Any", module), run, {"name": None, "other": None})
    assert left.value.args == ("ok", {"changed": True, "name": "x", "other": None})


def test_a_failure_fails_the_module(module: FakeModule) -> None:
    def run(_params: Json, **_more: t.Any) -> Json:
        raise ReleaseError("it is away", kind="unreachable", system="redis")

    with pytest.raises(Left) as left:
        run_module(t.cast("t.Any", module), run)
    word, result = left.value.args
    assert (word, result["msg"], result["failed"]) == ("failed", "it is away", True)


def test_what_was_imported_is_not_collected_again(module: FakeModule) -> None:
    def run(_params: Json, **_more: t.Any) -> Json:
        return {"frozen": gc.get_freeze_count() > 1000}

    with pytest.raises(Left) as left:
        run_module(t.cast("t.Any", module), run)
    assert left.value.args[1]["frozen"]
