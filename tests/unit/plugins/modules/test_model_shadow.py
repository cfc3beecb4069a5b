# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns, and its examples are good input."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.action.model_shadow import ActionModule
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments import (
    _cluster,
    _model_judge,
    _model_registry,
    _model_sources,
    _model_take_back,
    _release,
    _unreachable,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import run
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.options import options_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.run import ARGUMENT_SPEC, EMPTY_RESULT
from ansible_collections.pincex.zero_downtime.plugins.modules import model_shadow
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._run_here import controller_option
from module_docs import checked, examples, options_are_documented, result_is_documented, runs_the_same

RELEASE: t.Final = {"id": "r1"}


def test_every_option_is_documented_as_it_is() -> None:
    fragments = (_cluster, _unreachable, _release, _model_registry, _model_sources, _model_judge, _model_take_back)
    options_are_documented(model_shadow, fragments, ARGUMENT_SPEC)


def test_every_key_of_the_result_is_documented() -> None:
    result_is_documented(model_shadow, EMPTY_RESULT)


def test_the_action_plugin_runs_the_same_code() -> None:
    runs_the_same(ActionModule, run)


def test_the_examples_are_good_input() -> None:
    made = examples(model_shadow, ARGUMENT_SPEC, release=RELEASE, weight=25)
    for params in made:
        if params["take_back"]:
            # The action plugin fills it in.
            params["take_back"]["controller"] = {"pid": 1, "started": ""}
        options_of(params)
    assert {params["state"] for params in made} == set(ARGUMENT_SPEC["state"]["choices"])


def test_the_action_plugin_adds_the_process_that_controls_it() -> None:
    given = {"state": "judged", "take_back": {"fleet": {}}}
    added = ActionModule.prepare(None, given)
    assert added["take_back"] == {"fleet": {}, "controller": controller_option()}
    assert given["take_back"] == {"fleet": {}}
    for as_it_is in ({"state": "status"}, {"take_back": {"controller": {"pid": 7}}}, {"take_back": "no mapping"}):
        assert ActionModule.prepare(None, as_it_is) == as_it_is


class _Left(Exception):
    """What the module told Ansible."""


class _Module:
    """AnsibleModule as far as `main` uses it."""

    check_mode = False
    _diff = False

    def __init__(self, argument_spec: dict[str, t.Any], supports_check_mode: bool) -> None:
        assert supports_check_mode
        where = {"context": "us-east-1", "namespace": "exchange", "kubeconfig": "/nowhere/kubeconfig"}
        self.params = checked(argument_spec, {**where, "state": "promoted", "model": "fraud", "route": {}})

    def fail_json(self, **result: t.Any) -> t.NoReturn:
        raise _Left(result)


def test_main_leaves_as_ansible_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_shadow, "AnsibleModule", _Module)
    with pytest.raises(_Left) as left:
        model_shadow.main()
    told = left.value.args[0]
    assert told.keys() == {*EMPTY_RESULT, "changed", "diff", "failed", "msg", "error"}
    assert told["error"]["kind"] == "option" and told["msg"] == "kubeconfig: /nowhere/kubeconfig does not exist"
    assert (told["verdict"], told["reason"]) == ("fail", told["msg"])
