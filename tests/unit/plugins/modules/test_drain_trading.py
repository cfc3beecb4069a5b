# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns, and its examples are good input."""

from __future__ import annotations

import json
import typing as t

import pytest
import yaml
from ansible.module_utils import basic
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pincex.zero_downtime.plugins.action.drain_trading import ActionModule
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments import _cluster, _release
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.options import options_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.run import ARGUMENT_SPEC, EMPTY_RESULT, run
from ansible_collections.pincex.zero_downtime.plugins.modules import drain_trading


def _same(spec: t.Mapping[str, t.Any], documented: t.Mapping[str, t.Any]) -> None:
    assert documented.keys() == spec.keys()
    for name, option in spec.items():
        said = documented[name]
        for key in ("type", "elements", "default"):
            assert said.get(key) == option.get(key), name
        assert said.get("required", False) == option.get("required", False), name
        assert list(said.get("choices") or []) == list(option.get("choices") or []), name
        if "options" in option:
            _same(option["options"], said["suboptions"])


def test_every_option_is_documented_as_it_is() -> None:
    documented: dict[str, t.Any] = {}
    for fragment in (_cluster, _release):
        documented |= yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"]
    documented |= yaml.safe_load(drain_trading.DOCUMENTATION)["options"]
    _same(ARGUMENT_SPEC, documented)


def test_every_key_of_the_result_is_documented() -> None:
    assert yaml.safe_load(drain_trading.RETURN).keys() == {*EMPTY_RESULT, "error"}


def test_the_action_plugin_runs_the_same_code() -> None:
    assert (run, ARGUMENT_SPEC, EMPTY_RESULT) == (
        ActionModule.RUN,
        ActionModule.ARGUMENT_SPEC,
        ActionModule.EMPTY_RESULT,
    )


def test_the_examples_are_good_input() -> None:
    states = set()
    for task in yaml.safe_load(drain_trading.EXAMPLES):
        given = dict(task["pincex.zero_downtime.drain_trading"])
        given |= {name: {} for name in ("release", "expected") if name in given}
        checked = ArgumentSpecValidator(dict(ARGUMENT_SPEC)).validate(given)
        assert not checked.error_messages, task["name"]
        states.add(given["state"])
        if given["state"] != "restored":
            # Which reads its options in the journal.
            assert options_of(checked.validated_parameters).state == given["state"]
    assert states == set(ARGUMENT_SPEC["state"]["choices"])


def test_main_fails_as_ansible_wants_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basic, "_PARSED_MODULE_ARGS", None, raising=False)
    given = {"state": "drained", "engine": {"url": "engine"}}
    with patch_module_args(given), pytest.raises(SystemExit) as end:
        drain_trading.main()
    assert end.value.code == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["failed"], result["msg"]) == (True, "engine.url: is no http:// or https:// address")
    assert {*EMPTY_RESULT, "changed", "diff"} <= result.keys()
