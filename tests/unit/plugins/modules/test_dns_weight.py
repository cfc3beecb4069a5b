# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation says is what the module takes and returns, and its examples are good input."""

from __future__ import annotations

import typing as t

import pytest
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
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import run
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.options import Options, options_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.providers import provider_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.run import ARGUMENT_SPEC, EMPTY_RESULT
from ansible_collections.pincex.zero_downtime.plugins.modules import dns_weight
from module_docs import checked, examples, options_are_documented, result_is_documented, runs_the_same

GIVEN: dict[str, t.Any] = {
    "name": "API.pincex.test",
    "provider": "powerdns",
    "powerdns": {"url": "http://127.0.0.1:1", "zone": "pincex.test.", "api_key_file": "/k", "authority": "127.0.0.1"},
    "context": "management",
    "namespace": "pincex-fleet",
}


def options(**given: t.Any) -> Options:
    return options_of(checked(ARGUMENT_SPEC, {**GIVEN, **given}))


def test_every_option_is_documented_as_it_is() -> None:
    fragments = (_cluster, _release, _metric_provider, _unreachable, _dns_provider)
    options_are_documented(dns_weight, fragments, ARGUMENT_SPEC)


def test_every_key_of_the_result_is_documented() -> None:
    result_is_documented(dns_weight, EMPTY_RESULT)


def test_the_action_plugin_runs_the_same_code() -> None:
    runs_the_same(ActionModule, run)


def test_the_examples_are_good_input() -> None:
    made = examples(dns_weight, ARGUMENT_SPEC, release={"id": "r1"})
    for params in made:
        options_of(params)
    assert {params["state"] for params in made} == set(ARGUMENT_SPEC["state"]["choices"])


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
        options(**given)
    assert caught.value.message.startswith(said)


def test_the_provider_that_is_named_needs_its_option() -> None:
    with pytest.raises(OptionError, match="route53: needed with provider route53"):
        provider_of({"provider": "route53", "route53": None}, SystemClock())


def test_0_is_a_weight_and_names_are_whole_and_small() -> None:
    found = options(state="absolute", weights={"us": 0})
    assert (found.weights, found.name) == ({"us": 0}, "api.pincex.test.")


def test_the_sum_has_no_override() -> None:
    found = ArgumentSpecValidator(dict(ARGUMENT_SPEC)).validate({**GIVEN, "state": "status", "override": ["sum_zero"]})
    assert "sum_zero" in found.error_messages[0]


def test_status_asks_nobody_unless_it_is_told_to() -> None:
    assert options(state="status").queries == 0
    assert options(state="status", verify={"resolvers": ["x"]}).queries == 2000
    assert options(state="evacuated", regions=["us"]).queries == 2000
