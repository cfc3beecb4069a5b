# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One code path for action plugin and module."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._run_here import RunHere

Result = dict[str, t.Any]
SEEN: list[Result] = []


def work(params: Result, *, check_mode: bool, diff: bool, clock: object, progress: t.Callable[[str], None]) -> Result:
    SEEN.append({"params": params, "check_mode": check_mode, "diff": diff})
    progress("half way")
    if params["count"] < 0:
        raise OptionError("count", "must not be negative")
    return {"changed": True, "answers": params["count"]}


class Action(RunHere):
    ARGUMENT_SPEC: t.ClassVar = {"region": {"type": "str"}, "count": {"type": "int", "required": True}}
    EMPTY_RESULT: t.ClassVar = {"answers": None}
    RUN = staticmethod(work)

    def _execute_module(self, **given: t.Any) -> Result:
        return {"executed": given["module_args"]}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    SEEN.clear()
    said: list[str] = []
    monkeypatch.setattr(Display, "display", lambda self, line, *_rest, **_more: said.append(line))
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})
    return said


def run(given: Result, transport: str = "local") -> Result:
    action = Action.__new__(Action)
    action._task = types.SimpleNamespace(args=given, check_mode=True, diff=False)
    action._connection = types.SimpleNamespace(transport=transport)
    return action.run(task_vars={})


def test_a_local_region_is_worked_on_here_with_live_lines(lines: list[str]) -> None:
    assert run({"region": "eu-west-1", "count": "3"}) == {"changed": True, "answers": 3}
    assert lines == ["[eu-west-1] half way"]
    assert SEEN == [{"params": {"region": "eu-west-1", "count": 3}, "check_mode": True, "diff": False}]


def test_elsewhere_the_module_is_executed(lines: list[str]) -> None:
    assert run({"count": 3}, transport="ssh") == {"executed": {"count": 3}}
    assert (lines, SEEN) == ([], [])


@pytest.mark.parametrize("transport", ["local", "ssh"])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "missing required arguments: count"),
        ({"count": "many"}, "argument 'count' is of type"),
        ({"count": 1, "speed": 2}, "speed: no such option"),
    ],
)
def test_bad_options_are_named_before_anything_runs(
    lines: list[str], given: Result, message: str, transport: str
) -> None:
    result = run(given, transport)
    assert message in result["msg"]
    assert (result["failed"], result["answers"], result["error"]["kind"]) == (True, None, "option")
    assert SEEN == []


def test_a_failure_is_a_result(lines: list[str]) -> None:
    result = run({"count": -1})
    assert (result["failed"], result["msg"], result["answers"]) == (True, "count: must not be negative", None)
