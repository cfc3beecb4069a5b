# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns, and its examples are good input."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.pincex.zero_downtime.plugins.action.drain_trading import ActionModule
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments import _cluster, _release
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import run
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.options import options_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.run import ARGUMENT_SPEC, EMPTY_RESULT
from ansible_collections.pincex.zero_downtime.plugins.modules import drain_trading
from module_docs import examples, options_are_documented, result_is_documented, runs_the_same


def test_every_option_is_documented_as_it_is() -> None:
    options_are_documented(drain_trading, (_cluster, _release), ARGUMENT_SPEC)


def test_every_key_of_the_result_is_documented() -> None:
    result_is_documented(drain_trading, EMPTY_RESULT)


def test_the_action_plugin_runs_the_same_code() -> None:
    runs_the_same(ActionModule, run)


def test_the_examples_are_good_input() -> None:
    made = examples(drain_trading, ARGUMENT_SPEC, release={}, expected={})
    for params in made:
        if params["state"] != "restored":
            # Which reads its options in the journal.
            assert options_of(params).state == params["state"]
    assert {params["state"] for params in made} == set(ARGUMENT_SPEC["state"]["choices"])


def test_main_fails_as_ansible_wants_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basic, "_PARSED_MODULE_ARGS", None, raising=False)
    given = {"state": "drained", "engine": {"url": "engine"}}
    with patch_module_args(given), pytest.raises(SystemExit) as end:
        drain_trading.main()
    assert end.value.code == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["failed"], result["msg"]) == (True, "engine.url: is no http:// or https:// address")
    assert {*EMPTY_RESULT, "changed", "diff"} <= result.keys()
