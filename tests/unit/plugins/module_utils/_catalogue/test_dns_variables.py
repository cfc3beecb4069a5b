# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory may say of weights."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue import dns_options
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.dns_options import dns_problems, ramp_of
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import decide_guards, decide_weights, model
from hypothesis import given, settings
from hypothesis import strategies as st

DNS = {
    "name": "api.pincex.test.",
    "provider": "route53",
    "route53": {"zone_id": "Z1"},
    "full": {"us-east-1": 50, "eu-west-1": 50},
    "observe": {"queries": {"us-east-1": "sum(rate(x[1m]))"}},
    "prometheus": {"url": "https://prometheus"},
}


def request(**given: t.Any) -> dict[str, t.Any]:
    regions = ["us-east-1", "eu-west-1"]
    return {"dns": DNS, "hosts": regions, "regions": regions, "strategies": {}, **given}


def dns(**given: t.Any) -> dict[str, t.Any]:
    return request(dns={**DNS, **given})


def test_what_is_complete_is_in_order() -> None:
    assert dns_problems(request(strategies={"us-east-1": "evacuate"}, ramp_steps=[10, 40, 100], ramp_hold_s="30")) == []
    assert dns_problems({"hosts": [], "regions": []}) == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (request(strategies={"us-east-1": "leave"}), "region_strategy: 'leave' of us-east-1 is unknown; use stay or"),
        (
            request(dns={}, strategies={"us-east-1": "evacuate"}),
            "region_strategy: us-east-1 cannot be evacuated without weights; describe them in dns.",
        ),
        (request(dns=["route53"]), "dns: use a mapping with name, provider and full."),
        (dns(nam="x"), "dns.nam: unknown option; did you mean name?"),
        (dns(name="."), "dns.name: missing; the name that clients resolve"),
        (dns(type="MX"), "dns.type: 'MX' is unknown; use one of A, AAAA, CNAME."),
        (dns(provider="bind"), "dns.provider: 'bind' is unknown; use one of powerdns, route53."),
        (dns(provider="powerdns"), "dns.powerdns: missing; say where the zone is."),
        (dns(members=["us-east-1"]), "dns.members: use a mapping."),
        (dns(prometheus=None), "dns.prometheus: use a mapping."),
        (dns(prometheus={}), "dns.prometheus: missing; dns.observe and dns.load ask it, from outside of the regions."),
        (dns(max_step=0), "dns.max_step: 0 is no number of points from 1 to 100."),
        (dns(full={}), "dns.full: missing; the weight of every region when all is well."),
        (dns(full={"us-east-1": 1.5}), "dns.full.us-east-1: 1.5 is no whole number from 0 on."),
        (dns(full={"us-east-2": 50}), "dns.full: unknown region us-east-2; did you mean us-east-1?"),
        (dns(full={"us-east-1": 10}), "dns.full.us-east-1: 10, of which the first step of a ramp, 5 %, is less than 1"),
        (dns(min_regions=0), "dns.min_regions: 0 is no whole number from 1 on."),
        (dns(min_regions=3), "dns.min_regions: 3 is more than the 2 regions that have a weight in dns.full."),
        (
            request(dns={**DNS, "full": {"us-east-1": 50}}, strategies={"eu-west-1": "evacuate"}),
            "region_strategy: eu-west-1 is evacuated, and dns.full has no weight of it.",
        ),
        (request(ramp_steps=[50, 25, 100]), "dns_ramp_steps: [50, 25, 100] are no percents that rise to 100"),
        (request(ramp_steps=[5, 50]), "dns_ramp_steps: [5, 50] are no percents that rise to 100"),
        (request(ramp_steps="5"), "dns_ramp_steps: '5' are no percents that rise to 100"),
        (
            request(strategies={"us-east-1": "evacuate"}, ramp_steps=[10, 100]),
            "dns_ramp_steps: at 100 % the share of us-east-1 goes from 9.09 % to 50 %, by 40.9 points, and "
            "dns.max_step is 25; give dns_ramp_steps a step before it, or raise dns.max_step.",
        ),
        (
            request(dns={**DNS, "max_step": 16}, strategies={"us-east-1": "evacuate"}),
            "dns_ramp_steps: at 100 % the share of us-east-1 goes from 33.3 % to 50 %, by 16.7 points",
        ),
        (request(ramp_hold_s="long"), "dns_ramp_hold_s: 'long' is no number of seconds."),
    ],
)
def test_what_is_wrong_is_named(asked: dict[str, t.Any], told: str) -> None:
    (problem,) = dns_problems(asked)
    assert problem.startswith(told)


def live(weights: dict[str, int]) -> model.WeightedSet:
    members = tuple(model.Member(region, weight, ("192.0.2.1",)) for region, weight in weights.items())
    return model.WeightedSet("api.pincex.test.", "A", members, dict.fromkeys(weights, 30), raw=True)


STEPS = st.sets(st.integers(1, 99), max_size=4).map(lambda steps: [*sorted(steps), 100])


@settings(max_examples=100, deadline=None)
@given(
    weights=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 300), min_size=1),
    steps=STEPS,
    max_step=st.integers(10, 100),
)
def test_no_step_of_a_ramp_that_passes_is_refused_by_max_step(
    weights: dict[str, int], steps: list[int], max_step: int
) -> None:
    regions = list(weights)
    told = dns_problems(
        {
            "dns": {**DNS, "full": weights, "max_step": max_step},
            "hosts": regions,
            "regions": regions,
            "strategies": {"a": "evacuate"},
            "ramp_steps": steps,
        }
    )
    named = [problem for problem in told if problem.startswith("dns_ramp_steps")]
    others = sum(weights.values()) - weights.get("a", 0)
    if (told and not named) or not weights.get("a") or not others:
        return
    now, refused = {**weights, "a": 0}, False
    for _step in ramp_of(weights["a"], steps):
        after = decide_weights.ramped(now, ["a"], weights, ramp_of(weights["a"], steps)).after
        facts = decide_guards.Facts("ramped", live(now), live(now), after, dict.fromkeys(now))
        (found,) = [
            one
            for one in decide_guards.judge(facts, decide_guards.Limits(max_step=max_step))
            if one.guard == "max_step"
        ]
        refused, now = refused or found.refused, after
    assert refused == bool(named)
    assert now == weights


def test_everything_that_is_known_is_an_option_of_the_module() -> None:
    options = pytest.importorskip("ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.options")
    assert set(dns_options.KNOWN) <= set(options.ARGUMENT_SPEC)
    assert set(dns_options.PROVIDERS) == set(options.ARGUMENT_SPEC["provider"]["choices"])
    assert list(dns_options.TYPES) == options.ARGUMENT_SPEC["type"]["choices"]
