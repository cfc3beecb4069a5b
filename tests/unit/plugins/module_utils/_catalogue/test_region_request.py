# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What region.yml is asked for, which region may get traffic, and what it tells."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.region import (
    behind_regions,
    orders_line,
    partial_problem,
    region_lines,
    region_request,
    unfit_region,
)

US, EU = "us-east-1", "eu-west-1"
DNS = {"name": "a.", "provider": "powerdns", "powerdns": {"url": "u"}, "full": {US: 50, EU: 50}}
ASKED = {"state": "evacuated", "region": US, "hosts": [US, EU], "play": [US, EU], "dns": DNS}


def revision(number: int, regions: dict[str, str], **given: t.Any) -> dict[str, t.Any]:
    told = {"kind": "deploy", "outcome": "released", "versions": {"core-api": f"v{number}"}}
    return {"number": number, "id": f"r{number}", "regions": regions, **told, **given}


BOTH = revision(1, {US: "released", EU: "released"})


def test_words_of_the_command_line_are_read() -> None:
    read = region_request({**ASKED, "region": " us-east-1 ", "override": "revision, unhealthy", "reason": None})
    assert read["problems"] == []
    assert (read["region"], read["override"], read["reason"]) == (US, ["revision", "unhealthy"], "")
    assert region_request({**ASKED, "state": "status", "region": "", "release_confirm": "x"})["problems"] == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"state": ""}, "state: missing; use -e state=evacuated, restored or status."),
        ({"region": None}, "region: missing; say which one with -e region=us-east-1."),
        ({"play": [EU]}, "--limit: it leaves out us-east-1; the region is named by -e region=us-east-1 alone."),
        ({"dns": None}, "dns: missing; it describes the set of weights of the regions."),
        ({"state": "restored", "dns": {**DNS, "full": {EU: 50}}}, "region: us-east-1 has no weight in dns.full."),
        ({"state": "restored", "ramp_steps": [50]}, "dns_ramp_steps: [50] are no percents that rise to 100"),
        ({"dns": "route53"}, "dns: use a mapping with name, provider and full."),
        ({"dns": {**DNS, "type": "MX"}}, "dns.type: 'MX' is unknown; use one of A, AAAA, CNAME."),
        (
            {"release_confirm": "p", "confirm": "q"},
            "confirm: 'q' is not the word; this environment wants a change of weights",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_named(given: dict[str, t.Any], told: str) -> None:
    (problem,) = region_request({**ASKED, **given})["problems"]
    assert problem.startswith(told)


@pytest.mark.parametrize("state", ["evacuated", "status"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"ramp_steps": [50]},
        {"ramp_hold_s": "long"},
        {"dns": {**DNS, "full": {US: 1, EU: 1}}},
        {"dns": {key: value for key, value in DNS.items() if key != "full"}},
    ],
    ids=["steps", "hold", "small", "no full"],
)
def test_a_wrong_ramp_keeps_nobody_from_taking_a_region_out(state: str, wrong: dict[str, t.Any]) -> None:
    assert region_request({**ASKED, **wrong, "state": state})["problems"] == []
    assert region_request({**ASKED, **wrong, "state": "restored"})["problems"] != []


@pytest.mark.parametrize(
    ("later", "behind"),
    [
        ([], []),
        ([revision(2, {US: "released", EU: "unreachable"}, outcome="incomplete")], [EU]),
        ([revision(2, {US: "released", EU: "left_out"})], [EU]),
        ([revision(2, {US: "taken_back", EU: "taken_back"}, outcome="taken_back")], []),
        # With --limit, and then the others by a release of their own.
        ([revision(2, {US: "released"})], [EU]),
        ([revision(2, {US: "released"}), revision(3, {EU: "released"}, versions={"core-api": "v2"})], []),
        ([revision(2, {US: "released"}), revision(3, {EU: "released"})], [US]),
        (
            [
                revision(2, {US: "released", EU: "unreachable"}, outcome="incomplete"),
                revision(3, {EU: "released"}, follows=2),
            ],
            [],
        ),
        # Whoever missed something is behind until it has been there itself, whatever its versions are.
        ([revision(2, {US: "released", EU: "left_out"}, versions={"core-api": "v1"})], [EU]),
    ],
    ids=[
        "alike",
        "away",
        "left out",
        "undone",
        "limit",
        "one after the other",
        "the other way",
        "brought up",
        "same versions",
    ],
)
def test_a_region_is_behind_when_what_stands_has_passed_it_by(later: list[t.Any], behind: list[str]) -> None:
    assert list(behind_regions([BOTH, *later], [US, EU])) == behind


def test_without_a_release_there_is_nothing_to_be_behind_and_a_new_region_is() -> None:
    assert behind_regions([], [US]) == {}
    assert behind_regions([BOTH], ["sa-east-1"]) == {
        "sa-east-1": "sa-east-1 has no release, and the environment is at revision 1"
    }


FLEET = {"revisions": [BOTH]}


@pytest.mark.parametrize(
    ("own", "fleet", "told"),
    [
        ({"revisions": [{"number": 1}]}, FLEET, ""),
        ({"header": {"state": "open", "kind": "deploy", "id": "r2"}}, FLEET, "us-east-1: deploy r2 is unfinished here"),
        ({"maintenance": {"sentence": "us-east-1 is in maintenance"}}, FLEET, "us-east-1 is in maintenance; run maint"),
        (
            {"revisions": [{"number": 2}]},
            {"revisions": [BOTH, revision(2, {US: "unreachable"}), revision(3, {US: "released"}, follows=2)]},
            "",
        ),
        ({"revisions": []}, FLEET, "us-east-1: its own journal has no revision, and the fleet's says 1"),
        (
            {"revisions": [{"number": 1}]},
            {"revisions": [BOTH, revision(2, {US: "left_out", EU: "released"})]},
            "us-east-1 is at revision 1, and deploy r2, revision 2, went without it; "
            "bring it up with deploy.yml --limit us-east-1, or pass it with -e override=revision",
        ),
        (
            {"revisions": [{"number": 1}]},
            {
                "revisions": [
                    BOTH,
                    revision(2, {US: "unreachable", EU: "released"}, kind="rollback", outcome="incomplete"),
                ]
            },
            "us-east-1 is at revision 1, and rollback r2, revision 2, went without it; "
            "run recover.yml, or pass it with -e override=revision",
        ),
        # It missed a deploy since, which no recovery brings.
        (
            {"revisions": [{"number": 1}]},
            {
                "revisions": [
                    BOTH,
                    revision(2, {US: "unreachable", EU: "released"}, kind="rollback", outcome="incomplete"),
                    revision(3, {US: "left_out", EU: "released"}),
                ]
            },
            "us-east-1 is at revision 1, and deploy r3, revision 3, went without it; bring it up with deploy.yml",
        ),
        # It was away only at the end, and has recorded the revision since.
        (
            {"revisions": [{"number": 1}, {"number": 2}]},
            {
                "revisions": [
                    BOTH,
                    revision(2, {US: "unreachable", EU: "released"}, kind="rollback", outcome="incomplete"),
                ]
            },
            "",
        ),
    ],
)
def test_who_is_not_fit_gets_no_traffic(own: dict[str, t.Any], fleet: dict[str, t.Any], told: str) -> None:
    said = unfit_region(US, own, fleet)
    assert said.startswith(told) if told else said == ""
    if "revision" in told and "unfinished" not in told:
        assert unfit_region(US, own, fleet, ["revision"]) == ""


def test_what_stands_is_told() -> None:
    found = {
        "set": {"name": "api.pincex.test.", "ttl": 30},
        "weights": {"after": {US: 0, EU: 50}},
        "shares": {"after": {US: 0.0, EU: 1.0}},
        "healthy": {US: False, EU: None},
    }
    journal = {"header": {"state": "open", "kind": "dns", "id": "d1", "by": "anna"}}
    assert region_lines(found, {US: "us-east-1 is at revision 1"}, journal) == [
        "api.pincex.test.: TTL 30 s",
        "  us-east-1: weight 0, 0.0 %, unhealthy, evacuated",
        "  eu-west-1: weight 50, 100.0 %, health not known",
        "us-east-1 is at revision 1; it gets no weight before it has been brought up",
        "dns d1 by anna has not ended",
    ]
    assert region_lines({"set": None, "weights": {"after": None}}, {}) == ["the set: there are no weights yet"]


def test_the_orders_are_counted_where_somebody_knows() -> None:
    counted = {"proofs": {"before": {"orders": {"count": 7}}}}
    assert orders_line(US, counted).startswith("resting orders of us-east-1: 7; new orders go elsewhere")
    assert "unknown, its engine does not say" in orders_line(US, {"proofs": {"before": None}})
    assert "unknown, the region does not answer; what rests stays cancellable at us-east-1's own name" in orders_line(
        US, None, "the region does not answer"
    )


def test_a_release_of_some_services_is_refused_where_others_were_missed() -> None:
    two = {"core-api": "v2", "statements": "v2"}
    missed = revision(2, {US: "released", EU: "unreachable"}, kind="rollback", outcome="incomplete", versions=two)
    own, fleet = {"revisions": [{"number": 1}]}, {"revisions": [BOTH, missed]}
    running = {"core-api": "v1", "statements": "v2"}
    said = partial_problem(EU, own, fleet, running, ["statements"])
    assert said == (
        "eu-west-1 is at revision 1, and rollback r2, revision 2, went without it; it runs core-api v1 instead of v2, "
        "and a release of statements alone would leave that so; run recover.yml first"
    )
    assert partial_problem(EU, own, fleet, running, ["core-api"]) == "", "it brings up all that was missed"
    assert partial_problem(EU, own, fleet, two, ["statements"]) == "", "it runs what it should"
    assert partial_problem(US, {"revisions": [{"number": 1}, {"number": 2}]}, fleet, running, ["statements"]) == ""
    deploy = {"revisions": [BOTH, {**missed, "kind": "deploy"}]}
    assert partial_problem(EU, own, deploy, running, ["statements"]).endswith("with deploy.yml --limit eu-west-1 first")
