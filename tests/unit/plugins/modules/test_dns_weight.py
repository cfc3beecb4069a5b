# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns, and its examples are good input."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.action.dns_weight import ActionModule
from ansible_collections.pincex.zero_downtime.plugins.doc_fragments import (
    _cluster,
    _dns_provider,
    _metric_provider,
    _release,
    _unreachable,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.options import options_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.providers import provider_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.run import ARGUMENT_SPEC, EMPTY_RESULT, run
from ansible_collections.pincex.zero_downtime.plugins.modules import dns_weight

GIVEN: dict[str, t.Any] = {
    "name": "API.pincex.test",
    "provider": "powerdns",
    "powerdns": {"url": "http://127.0.0.1:1", "zone": "pincex.test.", "api_key_file": "/k", "authority": "127.0.0.1"},
    "context": "management",
    "namespace": "pincex-fleet",
}


def checked(given: dict[str, t.Any]) -> dict[str, t.Any]:
    found = ArgumentSpecValidator(dict(ARGUMENT_SPEC)).validate(given)
    assert not found.error_messages, found.error_messages
    return dict(found.validated_parameters)


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
    documented: dict[str, t.Any] = yaml.safe_load(dns_weight.DOCUMENTATION)["options"]
    for fragment in (_cluster, _release, _metric_provider, _unreachable, _dns_provider):
        documented |= yaml.safe_load(fragment.ModuleDocFragment.DOCUMENTATION)["options"]
    _same(ARGUMENT_SPEC, documented)


def test_every_key_of_the_result_is_documented() -> None:
    assert yaml.safe_load(dns_weight.RETURN).keys() == {*EMPTY_RESULT, "error"}


def test_the_action_plugin_runs_the_same_code() -> None:
    assert (
        run,
        ARGUMENT_SPEC,
        EMPTY_RESULT,
    ) == (ActionModule.RUN, ActionModule.ARGUMENT_SPEC, ActionModule.EMPTY_RESULT)


def test_the_examples_are_good_input() -> None:
    states = set()
    for task in yaml.safe_load(dns_weight.EXAMPLES):
        given = dict(task["pincex.zero_downtime.dns_weight"])
        if "release" in given:
            given["release"] = {"id": "r1"}
        params = checked(given)
        states.add(params["state"])
        options_of(params)
    assert states == set(ARGUMENT_SPEC["state"]["choices"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"state": "absolute"}, "weights: needed for state absolute"),
        ({"state": "shifted"}, "shift: needed for state shifted"),
        ({"state": "evacuated"}, "regions: needed for state evacuated"),
        ({"state": "ramped", "regions": ["us"]}, "full: needed for state ramped"),
        ({"state": "drained", "regions": ["us"]}, "observe: needed for state drained"),
        ({"state": "restored"}, "release: needed for state restored"),
        ({"state": "absolute", "weights": {"us": -1}}, "weights: us has -1, and a weight is a whole number from 0 on"),
        ({"state": "absolute", "weights": {"us": True}}, "weights: us has True"),
        ({"state": "absolute", "weights": {"us": 0.5}}, "weights: us has 0.5"),
        ({"state": "shifted", "shift": {"from": "us", "to": "us", "points": 5}}, "shift: from and to are both us"),
        ({"state": "shifted", "shift": {"from": "us", "to": "eu", "points": 0}}, "shift: points is 0"),
        ({"state": "status", "steps": [25, 5]}, "steps: [25, 5] are not percents from 1 to 100 that rise"),
        ({"state": "status", "steps": [0, 5]}, "steps: [0, 5] are not"),
        ({"state": "status", "members": {"us": {"target": "1"}}}, "members: us: there is no option target"),
        ({"state": "status", "members": {"us": {"targets": "198.18.1.2"}}}, "members: us: targets is no list"),
        ({"state": "status", "members": {"us": {"capacity_rps": 0}}}, "members: us: capacity_rps is 0"),
        ({"state": "status", "members": {"us": 5}}, "members: us is no mapping of targets, health, capacity_rps"),
        ({"state": "status", "min_regions": 0}, "min_regions: has to be 1 or more"),
        ({"state": "status", "max_step": 0}, "max_step: is 0"),
        ({"state": "status", "max_changed": 101}, "max_changed: is 101"),
        ({"state": "status", "ttl": -1}, "ttl: cannot be negative"),
        ({"state": "status", "deadline_s": 0}, "deadline_s: has to be more than 0"),
        ({"state": "status", "verify": {"queries": -1}}, "verify: queries cannot be negative"),
        ({"state": "status", "load": {"query": "load"}}, "prometheus: needed with load"),
        ({"state": "status", "observe": {"below": 1}}, "observe: below is 1"),
        ({"state": "status", "observe": {"baseline_s": 0}}, "observe: baseline_s has to be more than 0"),
        ({"state": "status", "observe": {"queries": {"us": ""}}}, "observe: queries: the query of us is empty"),
        (
            {"state": "drained", "regions": ["us"], "observe": {"queries": {"us": "rate"}}},
            "prometheus: needed for state drained",
        ),
    ],
)
def test_bad_input_is_refused_by_the_name_of_the_option(given: dict[str, t.Any], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        options_of(checked({**GIVEN, **given}))
    assert caught.value.message.startswith(said)


def test_the_provider_that_is_named_needs_its_option() -> None:
    with pytest.raises(OptionError, match="route53: needed with provider route53"):
        provider_of({"provider": "route53", "route53": None}, SystemClock())


def test_0_is_a_weight_and_names_are_whole_and_small() -> None:
    options = options_of(checked({**GIVEN, "state": "absolute", "weights": {"us": 0}}))
    assert (options.weights, options.name) == ({"us": 0}, "api.pincex.test.")


def test_the_sum_has_no_override() -> None:
    found = ArgumentSpecValidator(dict(ARGUMENT_SPEC)).validate({**GIVEN, "state": "status", "override": ["sum_zero"]})
    assert "sum_zero" in found.error_messages[0]


def test_status_asks_nobody_unless_it_is_told_to() -> None:
    assert options_of(checked({**GIVEN, "state": "status"})).queries == 0
    assert options_of(checked({**GIVEN, "state": "status", "verify": {"resolvers": ["x"]}})).queries == 2000
    assert options_of(checked({**GIVEN, "state": "evacuated", "regions": ["us"]})).queries == 2000
