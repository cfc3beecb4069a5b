# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator asked for."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import (
    absent_revision,
    largest_wave,
    pick_revision,
    request_problems,
    request_warnings,
    wanted_versions,
    without_regions,
)
from catalogue_samples import PROFILES, SERVICES
from hypothesis import given
from hypothesis import strategies as st

GOOD: dict[str, t.Any] = {
    "kind": "deploy",
    "services": SERVICES,
    "gate_profiles": PROFILES,
    "version": "v2",
    "versions": {},
    "waves": [1, "100%"],
    "forks": 5,
    "limit": "",
    "hosts": ["us-east-1", "eu-west-1"],
    "groups": ["all", "regions"],
    "regions": ["us-east-1", "eu-west-1"],
    "fleet": ["management"],
}


def test_a_sound_request_has_no_problems() -> None:
    assert request_problems(GOOD) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": ""}, "release_version: missing"),
        ({"version": "v 2"}, "release_version: 'v 2' is no version"),
        ({"version": "-v2"}, "release_version: '-v2' is no version"),
        ({"versions": {"core-api": "v2"}}, "release_version and release_versions: give one of the two."),
        ({"version": "", "versions": {"core-apl": "v2"}}, "unknown service core-apl; did you mean core-api?"),
        ({"version": "", "versions": {"core-api": "?"}}, "release_versions.core-api: '?' is no version"),
        ({"version": "", "versions": "core-api=v2"}, "release_versions: use a mapping"),
        ({"models": {"core-api": {}}}, "models.core-api: services.core-api has the same name"),
        ({"limit": "us-east-1,mars-1"}, "--limit: unknown region mars-1"),
        ({"waves": []}, "release_waves: use a list"),
        ({"waves": [0]}, "release_waves: 0 is neither"),
        ({"waves": ["half"]}, "release_waves: 'half' is neither"),
        ({"waves": ["100%"], "forks": 1}, "--forks: 1 is less than the 2 regions of the largest wave"),
        ({"waves": ["100%"], "forks": 1}, "pass --forks 2 or more, or make release_waves smaller."),
        (
            {"release_confirm": "production"},
            "confirm: missing; this environment wants a deploy confirmed by -e confirm=production.",
        ),
        ({"release_confirm": "production", "confirm": "prod"}, "confirm: 'prod' is not the word; this environment"),
        ({"release_confirm": "production", "confirm": True}, "confirm: 'True' is not the word; this environment"),
        ({"without": "eu-wst-1"}, "without: unknown region eu-wst-1; did you mean eu-west-1?"),
        ({"without": ["mars"]}, "without: unknown region mars; known: us-east-1, eu-west-1."),
        ({"without": "us-east-1, eu-west-1"}, "without: no region is left to deploy to without us-east-1, eu-west-1"),
        ({"without": "us-east-1", "limit": "all:us-east-1"}, "without: us-east-1 is named in --limit as well"),
        ({"without": "us-east-1", "kind": "rollback"}, "without: it is for a deploy; a way back goes to every"),
        ({"emergency": "yes"}, "emergency: 'yes' is too short for a reason (3 of at least 10 characters)"),
        ({"emergency": True}, "emergency: 'True' is too short"),
        (
            {"windows": {"us-east-1": {"freezes": 1}}},
            "release_windows.freezes: unknown; use freeze or market_hours. (in us-east-1)",
        ),
        ({"fleet": []}, "group fleet is empty"),
        ({"services": {"core-api": {}}}, "services.core-api.image: missing"),
        ({"gate_profiles": {"default": {"bakes": 1}}}, "gate_profiles.default.bakes: unknown option"),
        (
            {"gate_profiles": {"default": {"metrics": [{"name": "x", "query": "y{a='$pod'}", "max": 1}]}}},
            "gate_profiles.default.metrics[0].query (x): only $service",
        ),
        (
            {"gate_profiles": {"default": {"metrics": [{"name": "x", "query": "y", "max": 1, "four_s": 2}]}}},
            "gate_profiles.default.metrics[0].four_s (x): unknown option",
        ),
        (
            {"gate_profiles": {"default": {"metrics": [{"name": "x", "query": "y"}]}}},
            "gate_profiles.default.metrics[0] (x): give either max or min, or a baseline.",
        ),
    ],
)
def test_every_problem_names_its_option(change: dict[str, t.Any], words: str) -> None:
    problems = request_problems({**GOOD, **change})
    assert len(problems) == 1, problems
    assert words in problems[0]


@pytest.mark.parametrize("limit", ["", "us-east-1", "regions:!eu-west-1", "us-*", "~eu.*", "@retry"])
def test_patterns_that_ansible_resolves_are_left_to_it(limit: str) -> None:
    assert request_problems({**GOOD, "limit": limit}) == []


def test_a_way_back_needs_no_version() -> None:
    assert request_problems({**GOOD, "kind": "rollback", "version": ""}) == []


def test_a_way_back_goes_to_all_regions_at_once_and_is_not_refused_for_its_forks() -> None:
    request = {**GOOD, "kind": "rollback", "forks": 1}
    assert request_problems(request) == []
    assert request_warnings(request) == ["--forks: 1 is less than the 2 regions, so some go back after others."]
    assert request_warnings({**request, "forks": 2}) == []


@pytest.mark.parametrize(
    ("waves", "regions", "largest"),
    [([1, 2, "100%"], 6, 3), ([1], 6, 1), (["50%"], 4, 2), (["10%"], 4, 1), ([1, "100%"], 2, 1), ([10], 3, 3)],
)
def test_the_largest_wave_is_counted_as_serial_counts(waves: list[t.Any], regions: int, largest: int) -> None:
    assert largest_wave(waves, regions) == largest


def test_one_version_for_all_or_single_services() -> None:
    assert wanted_versions(SERVICES, "v2", {}) == {"core-api": "v2", "reference-data": "v2"}
    assert wanted_versions(SERVICES, "", {"core-api": "v3"}) == {"core-api": "v3"}


HISTORY = [
    {"number": 1, "outcome": "released"},
    {"number": 2, "outcome": "released"},
    {"number": 3, "outcome": "taken_back"},
    {"number": 4, "outcome": "released"},
]


def test_the_way_back_leads_to_the_released_revision_before_the_newest() -> None:
    assert pick_revision(HISTORY, None) == (2, None)
    assert pick_revision(HISTORY, "1") == (1, None)


@pytest.mark.parametrize(
    ("history", "wanted", "words"),
    [
        (HISTORY, "3", "revision: 3 is not kept as a released revision (kept: 1, 2, 4)."),
        (HISTORY, "two", "revision: 'two' is not a number."),
        (HISTORY[:1], None, "revision: there is no released revision before the newest one (kept: 1)."),
    ],
)
def test_a_revision_that_is_not_there_is_refused(history: t.Any, wanted: str | None, words: str) -> None:
    assert pick_revision(history, wanted) == (None, words)


def back(number: int, target: int, **more: t.Any) -> dict[str, t.Any]:
    return {"number": number, "outcome": "released", "kind": "rollback", "target": target, **more}


@given(st.lists(st.sampled_from(["deploy", "bad", "back"]), max_size=12), st.integers(1, 4))
def test_going_back_again_and_again_never_meets_what_was_left(releases: list[str], times: int) -> None:
    history: list[dict[str, t.Any]] = []
    stands, left = 0, set()
    for number, release in enumerate([*releases, *["back"] * times], start=1):
        if release == "back":
            target, problem = pick_revision(history, None)
            assert (target is None) is (problem is not None)
            if target is None:
                continue
            found = next(entry for entry in history if entry["number"] == target)
            left.add(stands)
            assert found["content"] < stands
            assert found["content"] not in left
            history.append(back(number, target, content=found["content"], versions={"core-api": found["content"]}))
            stands = found["content"]
        else:
            outcome = "taken_back" if release == "bad" else "released"
            history.append(
                {
                    "number": number,
                    "outcome": outcome,
                    "kind": "deploy",
                    "content": number,
                    "versions": {"core-api": number},
                }
            )
            stands = stands if release == "bad" else number


def test_after_a_rollback_the_way_back_leads_on_and_not_to_what_it_left() -> None:
    assert pick_revision([*HISTORY, back(5, 2)], None) == (1, None)
    assert pick_revision([*HISTORY, back(5, 2), back(6, 1)], None) == (
        None,
        "revision: rollback 6 went back to revision 1, and there is no released one before it (kept: 1, 2, 4, 5, 6); "
        "name one with -e revision=NUMBER.",
    )
    # A deploy since: what it replaced is what stood.
    assert pick_revision([*HISTORY, back(5, 2), {"number": 6, "outcome": "released"}], None) == (5, None)
    # What it went to is not kept any more, and nothing before it.
    assert pick_revision([*HISTORY[1:], back(5, 1)], None)[0] is None


def test_after_a_rollback_of_some_services_the_others_follow_them() -> None:
    versions = {"core-api": "v1", "reference-data": "v1"}
    some = back(5, 2, versions={**versions, "reference-data": "v2"})
    assert pick_revision([HISTORY[0], {**HISTORY[1], "versions": versions}, *HISTORY[2:], some], None) == (2, None)


def test_what_only_brought_regions_up_is_no_place_to_go_back_to() -> None:
    missed = {"number": 5, "outcome": "incomplete", "regions": {"us": "released", "eu": "unreachable"}}
    brought = {"number": 6, "outcome": "released", "regions": {"eu": "released"}, "follows": 5}
    assert pick_revision([*HISTORY, missed], None) == (2, None)
    # Now 5 stands everywhere, and every region keeps it.
    assert pick_revision([*HISTORY, missed, brought], None) == (4, None)
    assert pick_revision([*HISTORY, missed, brought], "5") == (5, None)
    assert pick_revision([*HISTORY, missed, brought], 6) == (
        None,
        "revision: 6 only brought regions up to 5; use -e revision=5.",
    )


def test_a_region_that_was_left_out_of_that_release_says_so() -> None:
    assert absent_revision(HISTORY, 2, "eu-west-1") is None
    assert absent_revision(HISTORY, 3, "eu-west-1") == (
        "revision: 3 is not kept in eu-west-1 (kept: 1, 2, 4); name one that every region keeps with "
        "-e revision=NUMBER."
    )
    assert "(kept: none)" in str(absent_revision([], 3, "eu-west-1"))


BLIND = {"step_s": 5, "metrics": []}


def test_a_profile_that_looks_at_nothing_is_warned_of_once_with_its_services() -> None:
    assert request_warnings({**GOOD, "gate_profiles": {"default": BLIND}}) == [
        "gate_profiles.default: it has no metrics, no counters, no health, so every step of core-api, reference-data "
        "passes as soon as its pods are ready."
    ]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"gate_profiles": {"default": {**BLIND, "health": [{"name": "up", "url": "http://x"}]}}},
        {"gate_profiles": {"default": {**BLIND, "counters": [{"name": "errors", "requests": "a", "failures": "b"}]}}},
        # Used by no service, or by none that takes part.
        {"gate_profiles": {**PROFILES, "other": BLIND}},
        {"kind": "rollback", "version": "", "gate_profiles": {"default": BLIND}},
        {
            "version": "",
            "versions": {"core-api": "v2"},
            "services": {**SERVICES, "reference-data": {**SERVICES["reference-data"], "gate_profile": "blind"}},
            "gate_profiles": {**PROFILES, "blind": BLIND},
        },
    ],
)
def test_no_warning_without_a_reason(change: dict[str, t.Any]) -> None:
    request = {**GOOD, **change}
    assert request_problems(request) == []
    assert request_warnings(request) == []


FREEZE = {"freeze": [{"name": "year-end", "from": "2026-12-24T00:00", "to": "2026-12-27T00:00", "time_zone": "UTC"}]}
FROZEN = {"windows": {"us-east-1": {}, "eu-west-1": FREEZE}, "now": 1798243200.0}
STANDS = (
    "release_windows.freeze: no deploy to eu-west-1 during year-end until 2026-12-27 00:00 UTC; now it is "
    "2026-12-26 00:00 UTC."
)


def test_a_window_refuses_a_deploy_and_says_what_to_do() -> None:
    assert request_problems({**GOOD, **FROZEN}) == [
        STANDS,
        "Try again at 2026-12-27 00:00 UTC, leave these regions out with --limit or -e without=REGION, or pass the "
        """windows with -e "emergency='why it cannot wait'".""",
    ]
    assert request_warnings({**GOOD, **FROZEN}) == []


@pytest.mark.parametrize("given", ["", None, "  "])
def test_an_emergency_without_a_word_is_none(given: t.Any) -> None:
    assert request_problems({**GOOD, **FROZEN, "emergency": given})[0] == STANDS


def test_an_emergency_passes_the_windows_and_is_told() -> None:
    request = {**GOOD, **FROZEN, "emergency": " orders are rejected "}
    assert request_problems(request) == []
    assert request_warnings(request) == [STANDS, "emergency: these windows are passed because: orders are rejected"]
    assert request_warnings({**request, "now": 0.0}) == []


@pytest.mark.parametrize("change", [{"kind": "rollback", "version": ""}, {"check_mode": True}])
def test_a_way_back_and_a_dry_run_are_warned_and_not_refused(change: dict[str, t.Any]) -> None:
    request = {**GOOD, **FROZEN, **change}
    assert request_problems(request) == []
    assert request_warnings(request) == [STANDS]


def test_a_window_that_is_wrong_refuses_no_way_back() -> None:
    request = {**GOOD, "kind": "rollback", "windows": {"us-east-1": {"freeze": ["x"]}}}
    assert request_problems(request) == []
    assert "release_windows.freeze[0]: use a mapping" in request_warnings(request)[0]


def test_windows_of_regions_that_are_left_out_do_not_matter() -> None:
    assert request_problems({**GOOD, **FROZEN, "without": "eu-west-1"}) == []
    assert request_problems({**GOOD, **FROZEN, "regions": ["us-east-1"]}) == []


@pytest.mark.parametrize("kind", ["deploy", "rollback"])
def test_what_is_confirmed_goes_on_and_a_dry_run_needs_no_word(kind: str) -> None:
    request = {**GOOD, "kind": kind, "release_confirm": "production"}
    assert request_problems({**request, "confirm": " production "}) == []
    assert request_problems({**request, "check_mode": True}) == []
    assert f"wants a {kind} confirmed" in request_problems(request)[0]


@pytest.mark.parametrize(
    ("given", "regions"),
    [
        ("", []),
        (None, []),
        ([], []),
        ("eu-west-1", ["eu-west-1"]),
        (" eu-west-1 ,us-east-1,", ["us-east-1", "eu-west-1"]),
        (["eu-west-1", "eu-west-1"], ["eu-west-1"]),
        ("mars", []),
    ],
)
def test_regions_that_a_deploy_goes_without(given: t.Any, regions: list[str]) -> None:
    assert without_regions(given, GOOD["hosts"]) == regions


def test_wrong_weights_refuse_a_deploy_and_are_told_of_a_rollback() -> None:
    request = {**GOOD, "dns": "route53"}
    problem = "dns: use a mapping with name, provider and full."
    assert request_problems(request) == [problem]
    back = {**request, "kind": "rollback", "version": ""}
    assert request_problems(back) == []
    assert problem in request_warnings(back)
