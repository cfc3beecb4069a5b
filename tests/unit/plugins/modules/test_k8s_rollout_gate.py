# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns, and its examples are good input."""

from __future__ import annotations

from ansible_collections.pincex.zero_downtime.plugins.action.k8s_rollout_gate import ActionModule
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments import (
    _cluster,
    _gate_counters,
    _gate_health,
    _gate_metrics,
    _gate_replay,
    _gate_workloads,
    _metric_provider,
    _release,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate import run
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.options import question_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.run import ARGUMENT_SPEC, EMPTY_RESULT
from ansible_collections.pincex.zero_downtime.plugins.modules import k8s_rollout_gate
from module_docs import examples, options_are_documented, result_is_documented, runs_the_same


def test_every_option_is_documented_as_it_is() -> None:
    gate = (_gate_workloads, _gate_metrics, _gate_counters, _gate_health, _gate_replay)
    fragments = (_cluster, _release, _metric_provider, *gate)
    options_are_documented(k8s_rollout_gate, fragments, ARGUMENT_SPEC)


def test_every_key_of_the_result_is_documented() -> None:
    result_is_documented(k8s_rollout_gate, EMPTY_RESULT)


def test_the_action_plugin_runs_the_same_code() -> None:
    runs_the_same(ActionModule, run)


def test_the_examples_are_good_input() -> None:
    for params in examples(k8s_rollout_gate, ARGUMENT_SPEC):
        question_of(params)
