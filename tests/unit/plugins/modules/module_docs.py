# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of a module beside what the module takes and returns."""

from __future__ import annotations

import types
import typing as t
from collections.abc import Mapping

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

Spec = Mapping[str, t.Any]


def _same(spec: Spec, documented: Mapping[str, t.Any]) -> None:
    assert documented.keys() == spec.keys()
    for name, option in spec.items():
        said = documented[name]
        for key in ("type", "elements", "default"):
            assert said.get(key) == option.get(key), name
        assert said.get("required", False) == option.get("required", False), name
        assert list(said.get("choices") or []) == list(option.get("choices") or []), name
        if "options" in option:
            _same(option["options"], said["suboptions"])


def options_are_documented(module: types.ModuleType, fragments: tuple[types.ModuleType, ...], spec: Spec) -> None:
    """Assert that module and fragments have every option with its type, default and choices, and no other option."""
    documented: dict[str, t.Any] = {}
    for fragment in fragments:
        documented |= yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"]
    # As Ansible does it: what the module says itself counts.
    documented |= yaml.safe_load(module.DOCUMENTATION)["options"]
    _same(spec, documented)


def result_is_documented(module: types.ModuleType, empty: Mapping[str, t.Any]) -> None:
    """Assert that every key of the empty result is documented, `error` besides, and no other one."""
    assert yaml.safe_load(module.RETURN).keys() == {*empty, "error"}


def runs_the_same(action: type[ActionBase], area: types.ModuleType) -> None:
    """Assert that the action plugin has the `run` of the module's area, with its options and its result."""
    assert (area.run, area.ARGUMENT_SPEC, area.EMPTY_RESULT) == (action.RUN, action.ARGUMENT_SPEC, action.EMPTY_RESULT)


def checked(spec: Spec, given: Mapping[str, t.Any], what: str = "") -> dict[str, t.Any]:
    """The parameters that a module gets from what a task gives it. `what` is named when that is not good input."""
    found = ArgumentSpecValidator(dict(spec)).validate(given)
    assert not found.error_messages, (what, found.error_messages)
    return dict(found.validated_parameters)


def examples(module: types.ModuleType, spec: Spec, **instead: t.Any) -> list[dict[str, t.Any]]:
    """The parameters of every example; `instead` has values for options that the examples take from a variable."""
    action = module.__name__.removeprefix("ansible_collections.").replace(".plugins.modules.", ".")
    made = []
    for task in yaml.safe_load(module.EXAMPLES):
        given = {name: instead.get(name, value) for name, value in task[action].items()}
        made.append(checked(spec, given, task["name"]))
    return made
