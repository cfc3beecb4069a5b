# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns, and its examples are good input."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.action.flag_set import ActionModule
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments import _cluster, _flag_stores
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import run
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.options import options_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.run import ARGUMENT_SPEC, EMPTY_RESULT
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.stores import open_stores
from ansible_collections.pincex.zero_downtime.plugins.modules import flag_set
from module_docs import checked, examples, options_are_documented, result_is_documented, runs_the_same

GIVEN: dict[str, t.Any] = {"name": "pincex-test", "context": "management", "namespace": "pincex-fleet"}
WHO: dict[str, t.Any] = {"actor": "anna", "reason": "a test"}
REDIS: dict[str, t.Any] = {"name": "redis", "redis": {"url": "redis://127.0.0.1"}}


def test_every_option_is_documented_as_it_is() -> None:
    options_are_documented(flag_set, (_cluster, _flag_stores), ARGUMENT_SPEC)


def test_every_key_of_the_result_is_documented() -> None:
    result_is_documented(flag_set, EMPTY_RESULT)


def test_the_action_plugin_runs_the_same_code() -> None:
    runs_the_same(ActionModule, run)


def test_the_examples_are_good_input() -> None:
    made = examples(flag_set, ARGUMENT_SPEC, release={"id": "r1"})
    for params in made:
        options_of(params)
    assert {params["action"] for params in made} == set(ARGUMENT_SPEC["action"]["choices"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"action": "toggle", "value": True, **WHO}, "flags: needed for action toggle"),
        ({"action": "toggle", "flags": ["x"], **WHO}, "value: needed for action toggle"),
        ({"action": "rollout", "flags": ["x"], **WHO}, "percent: needed for action rollout"),
        ({"action": "rollout", "flags": ["x"], "percent": 100.1, **WHO}, "percent: is 100.1; give 0 to 100"),
        ({"action": "ab", "flags": ["x"], **WHO}, "weights: needed for action ab"),
        ({"action": "ab", "flags": ["x"], "weights": {"a": -1}, **WHO}, "weights: a has -1; a weight is a number"),
        ({"action": "ab", "flags": ["x"], "weights": {"a": True}, **WHO}, "weights: a has True"),
        ({"action": "ab", "flags": ["x"], "weights": {"a": 0}, **WHO}, "weights: are all 0"),
        ({"action": "kill", "flags": ["x"], "reason": "y"}, "actor: needed for action kill"),
        ({"action": "kill", "flags": ["x"], "actor": "y"}, "reason: needed for action kill"),
        ({"action": "restore", **WHO}, "flags: needed for action restore"),
        ({"action": "set", **WHO}, "definitions: needed for action set"),
        ({"action": "set", "definitions": {"x": 5}, **WHO}, "definitions: x is 5; give a flag in flagd's format"),
        ({"action": "rollback", **WHO}, "revision: needed for action rollback"),
        ({"action": "rollback", "revision": 0, **WHO}, "revision: is 0; the first one is 1"),
        ({"action": "apply", **WHO}, "wanted: needed for action apply"),
        ({"action": "apply", "wanted": {"x": "maybe"}, **WHO}, "wanted: x: 'maybe' is no percentage; use true"),
        ({"action": "apply", "wanted": {"x": 1}, **WHO}, "wanted: x: 1 may mean on or 1 percent; use true or 1%, or a"),
        ({"action": "undo", **WHO}, "since: needed for action undo that is no part of a release"),
        ({"action": "undo", "since": -1, **WHO}, "since: is -1; 0 is before the first revision"),
        ({"action": "undo", "since": 1}, "actor: needed for action undo"),
        ({"action": "status", "name": " "}, "name: is empty"),
        ({"action": "history", "limit": 0}, "limit: is 0; give 1 or more"),
        ({"action": "status", "patience_s": 0}, "patience_s: is 0; give more than 0"),
        ({"action": "status", "deadline_s": -1}, "deadline_s: is -1; give more than 0"),
    ],
)
def test_bad_input_is_refused_by_the_name_of_the_option(given: dict[str, t.Any], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        options_of(checked(ARGUMENT_SPEC, {**GIVEN, **given}))
    assert caught.value.message.startswith(said)


def test_false_and_0_are_values() -> None:
    options = options_of(checked(ARGUMENT_SPEC, {**GIVEN, **WHO, "action": "toggle", "flags": ["x"], "value": False}))
    assert options.value is False
    options = options_of(checked(ARGUMENT_SPEC, {**GIVEN, **WHO, "action": "rollout", "flags": ["x"], "percent": 0}))
    assert options.percent == 0


@pytest.mark.parametrize(
    ("stores", "said"),
    [
        ([{"name": "x"}], "stores: x: give one of redis, configmap, file; it has 0 of them"),
        ([{**REDIS, "file": {"path": "/x"}}], "stores: redis: give one of redis, configmap, file; it has 2 of them"),
        ([REDIS, REDIS], "stores: redis: another store has that name"),
        ([{**REDIS, "name": "fleet"}], "stores: fleet: another store has that name"),
    ],
)
def test_a_store_has_a_name_and_a_kind(stores: list[dict[str, t.Any]], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        open_stores(checked(ARGUMENT_SPEC, {**GIVEN, "action": "status", "stores": stores}), SystemClock())
    assert caught.value.message == said


class _Left(Exception):
    """What the module told Ansible."""


class _Module:
    """AnsibleModule as far as `main` uses it."""

    check_mode = False
    _diff = False

    def __init__(self, argument_spec: dict[str, t.Any], supports_check_mode: bool) -> None:
        assert supports_check_mode
        given = {"action": "toggle", "flags": ["x"], "value": True, "kubeconfig": "/nowhere/kubeconfig"}
        self.params = checked(argument_spec, {**GIVEN, **WHO, **given})

    def fail_json(self, **result: t.Any) -> t.NoReturn:
        raise _Left(result)


def test_main_leaves_as_ansible_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flag_set, "AnsibleModule", _Module)
    with pytest.raises(_Left) as left:
        flag_set.main()
    told = left.value.args[0]
    assert told.keys() == {*EMPTY_RESULT, "changed", "diff", "failed", "msg", "error"}
    assert told["error"]["kind"] == "option" and told["msg"] == "kubeconfig: /nowhere/kubeconfig does not exist"
