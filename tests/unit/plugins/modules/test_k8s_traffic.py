# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns, and its examples are good input."""

from __future__ import annotations

from ansible_collections.pincex.zero_downtime.plugins.action.k8s_traffic import ActionModule
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments import (
    _cluster,
    _metric_provider,
    _release,
    _unreachable,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import run
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.run import (
    ARGUMENT_SPEC,
    EMPTY_RESULT,
    _checked,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.shift import checked_shifts
from ansible_collections.pincex.zero_downtime.plugins.modules import k8s_traffic
from module_docs import examples, options_are_documented, result_is_documented, runs_the_same


def test_every_option_is_documented_as_it_is() -> None:
    options_are_documented(k8s_traffic, (_cluster, _release, _metric_provider, _unreachable), ARGUMENT_SPEC)


def test_every_key_of_the_result_is_documented() -> None:
    result_is_documented(k8s_traffic, EMPTY_RESULT)


def test_the_action_plugin_runs_the_same_code() -> None:
    runs_the_same(ActionModule, run)


def test_the_examples_are_good_input() -> None:
    made = examples(k8s_traffic, ARGUMENT_SPEC, release={})
    for params in made:
        routes = _checked(params["state"], params["routes"])
        if params["state"] == "shifted":
            checked_shifts(routes)
    assert {params["state"] for params in made} == set(ARGUMENT_SPEC["state"]["choices"])
