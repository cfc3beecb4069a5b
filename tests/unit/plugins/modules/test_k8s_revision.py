# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns, and its examples are good input."""

from __future__ import annotations

import typing as t

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.action.k8s_revision import ActionModule
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments import _cluster, _release, _unreachable
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_apply import (
    checked_fields,
    checked_objects,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.run import ARGUMENT_SPEC, EMPTY_RESULT, run
from ansible_collections.pincex.zero_downtime.plugins.modules import k8s_revision


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
    documented: dict[str, t.Any] = yaml.safe_load(k8s_revision.DOCUMENTATION)["options"]
    for fragment in (_cluster, _release, _unreachable):
        documented |= yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"]
    _same(ARGUMENT_SPEC, documented)


def test_every_key_of_the_result_is_documented() -> None:
    assert yaml.safe_load(k8s_revision.RETURN).keys() == {*EMPTY_RESULT, "error"}


def test_the_action_plugin_runs_the_same_code() -> None:
    assert (
        run,
        ARGUMENT_SPEC,
        EMPTY_RESULT,
    ) == (ActionModule.RUN, ActionModule.ARGUMENT_SPEC, ActionModule.EMPTY_RESULT)


def test_the_examples_are_good_input() -> None:
    states = set()
    for task in yaml.safe_load(k8s_revision.EXAMPLES):
        given = dict(task["pincex.zero_downtime.k8s_revision"])
        if "release" in given:
            given["release"] = {}
        checked = ArgumentSpecValidator(dict(ARGUMENT_SPEC)).validate(given)
        assert not checked.error_messages, task["name"]
        params = checked.validated_parameters
        states.add(params["state"])
        checked_objects(params["objects"], params["namespace"])
        checked_fields(params["fields"], params["namespace"])
    assert states == set(ARGUMENT_SPEC["state"]["choices"])
