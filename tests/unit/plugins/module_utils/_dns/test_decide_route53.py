# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches for Route 53: exactly the weights change, and only over the set that was read."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import decide_route53 as decide
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member, WeightedSet
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]
NAME = "api.pincex.test."
ALIAS: Json = {"HostedZoneId": "Z0", "DNSName": "lb.example.com.", "EvaluateTargetHealth": True}


def record(region: str, weight: int, **fields: t.Any) -> Json:
    values = {"Name": NAME, "Type": "A", "SetIdentifier": region, "Weight": weight, "TTL": 30}
    whole = {**values, "ResourceRecords": [{"Value": "127.0.1.1"}], **fields}
    return {name: value for name, value in whole.items() if value is not None}


def read(records: list[Json], owner: str | None = None) -> WeightedSet:
    found = decide.read_set(NAME, "A", records, owner)
    assert found is not None
    return found


def carried_out(zone: list[Json], changes: list[Json]) -> list[Json]:
    """What Route 53 makes of a batch: exact DELETEs, CREATEs of what is not there, all or nothing."""
    now = list(zone)
    for change in changes:
        one = change["ResourceRecordSet"]
        same = [other for other in now if other["SetIdentifier"] == one["SetIdentifier"]]
        if change["Action"] == "DELETE":
            if one not in now:
                raise KeyError(one["SetIdentifier"])
            now.remove(one)
        elif same:
            raise KeyError(one["SetIdentifier"])
        else:
            now.append(one)
    return now


@st.composite
def sets(draw: st.DrawFn) -> list[Json]:
    regions = draw(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1))
    weights = st.integers(0, 255)
    health = st.sampled_from([{}, {"HealthCheckId": "abc"}])
    kinds = st.sampled_from([{}, {"TTL": None, "ResourceRecords": None, "AliasTarget": ALIAS}, {"Unknown": {"a": 1}}])
    return [record(region, draw(weights), **draw(health), **draw(kinds)) for region in regions]


@st.composite
def sets_and_weights(draw: st.DrawFn) -> tuple[list[Json], dict[str, int]]:
    records = draw(sets())
    chosen = draw(st.lists(st.sampled_from([one["SetIdentifier"] for one in records]), unique=True))
    return records, {region: draw(st.integers(0, 255)) for region in chosen}


@given(sets_and_weights())
@settings(max_examples=100, deadline=None)
def test_a_batch_gives_exactly_these_weights_and_changes_nothing_else(case: tuple[list[Json], dict[str, int]]) -> None:
    records, after = case
    before = read(records)
    now = read(carried_out(records, decide.changes(before, after)))
    assert now.weights == {**before.weights, **after} == decide.all_weights(before, after)
    without = [{name: value for name, value in one.items() if name != "Weight"} for one in before.raw]
    assert [{name: value for name, value in one.items() if name != "Weight"} for one in now.raw] == without
    assert now.raw == decide.created(decide.changes(before, after))


@given(sets_and_weights(), st.data())
@settings(max_examples=100, deadline=None)
def test_a_batch_does_nothing_to_a_set_that_was_changed(
    case: tuple[list[Json], dict[str, int]], data: st.DataObject
) -> None:
    records, after = case
    number = data.draw(st.integers(0, len(records) - 1))
    fields = data.draw(st.sampled_from([{"Weight": -1}, {"HealthCheckId": "other"}, {"SetIdentifier": "gone"}]))
    changed = [{**one, **fields} if place == number else one for place, one in enumerate(records)]
    with pytest.raises(KeyError):
        carried_out(changed, decide.changes(read(records), after))


@given(sets_and_weights())
@settings(max_examples=50, deadline=None)
def test_the_second_batch_changes_nothing_where_the_first_was_carried_out(
    case: tuple[list[Json], dict[str, int]],
) -> None:
    records, after = case
    sent = decide.changes(read(records), after)
    now = carried_out(records, sent)
    assert read(carried_out(now, decide.again(sent))) == read(now)


def test_weight_0_is_a_weight() -> None:
    before = read([record("us", 50), record("eu", 0)])
    assert before.weights == {"eu": 0, "us": 50}
    new = [one["ResourceRecordSet"]["Weight"] for one in decide.changes(before, {"us": 0}) if one["Action"] == "CREATE"]
    assert new == [0, 0]


def test_a_set_that_is_not_there_is_created() -> None:
    members = Member("us", 0, ("127.0.1.1", "127.0.1.2"), health="abc"), Member("eu", 0, ("127.0.2.1",))
    changes = decide.changes(WeightedSet("API.pincex.test", "A", members, {"us": 30, "eu": 30}), {"us": 50, "eu": 0})
    assert [one["Action"] for one in changes] == ["CREATE", "CREATE"]
    addresses = [{"Value": "127.0.1.1"}, {"Value": "127.0.1.2"}]
    assert [one["ResourceRecordSet"] for one in changes] == [
        record("us", 50, ResourceRecords=addresses, HealthCheckId="abc"),
        record("eu", 0, ResourceRecords=[{"Value": "127.0.2.1"}]),
    ]


@pytest.mark.parametrize("weights", [{"us": -1}, {"us": 256}, {"mars": 1}])
def test_weights_that_cannot_be(weights: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="weights"):
        decide.changes(read([record("us", 50)]), weights)


def test_what_is_read() -> None:
    checked = record("us", 50, HealthCheckId="abc", Name="API.pincex.test.")
    found = read([checked, record("eu", 7, TTL=None, ResourceRecords=None, AliasTarget=ALIAS)], "heritage=x")
    assert (found.name, found.type, found.owner, found.ttls) == (NAME, "A", "heritage=x", {"us": 30, "eu": 60})
    assert found.members == (
        Member("eu", 7, (), "lb.example.com."),
        Member("us", 50, ("127.0.1.1",), health="abc"),
    )
    assert json.loads(json.dumps(found.raw)) == found.raw


def test_other_names_and_types_are_no_members() -> None:
    assert (
        decide.read_set(NAME, "A", [record("us", 1, Type="AAAA"), record("us", 1, Name="b.pincex.test.")], None) is None
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"Weight": None, "SetIdentifier": None}, "simple"),
        ({"Weight": None, "Region": "us-east-1"}, "latency"),
        ({"Weight": None, "Failover": "PRIMARY"}, "failover"),
        ({"Weight": None, "GeoLocation": {"CountryCode": "DE"}}, "geolocation"),
        ({"TrafficPolicyInstanceId": "x"}, "traffic policy"),
        ({"Type": "CNAME"}, "type CNAME"),
    ],
)
def test_records_that_are_no_weighted_set(fields: Json, words: str) -> None:
    with pytest.raises(ReleaseError, match=words) as met:
        decide.read_set(NAME, "A", [record("us", 1, **fields)], None)
    assert met.value.kind == "not_weighted"


def test_names_as_route_53_compares_them() -> None:
    assert decide.absolute("\\052.Pincex.test") == decide.absolute("*.pincex.test.") == "*.pincex.test."


def test_where_external_dns_writes() -> None:
    assert decide.owner_names("api.pincex.test", "AAAA") == ("aaaa-api.pincex.test.", "cname-api.pincex.test.")
    assert decide.owner_names("api.pincex.test", "CNAME") == ("cname-api.pincex.test.",)
    text = '"heritage=external-dns,external-dns/owner=eu"'
    other = {"Type": "TXT", "ResourceRecords": [{"Value": '"v=spf1"'}]}
    assert decide.owner_of([record("us", 1), other]) is None
    assert decide.owner_of([other, {"Type": "TXT", "ResourceRecords": [{"Value": text}]}]) == text.strip('"')


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("[Tried to delete resource record set [name='a.', type='A'] but it was not found]", "conflict"),
        (
            "Tried to delete [name='protect.', type='A'] but the values provided do not match the current values",
            "conflict",
        ),
        ("Tried to create resource record set [name='a.', type='A'] but it already exists", "conflict"),
        ("[Resource record set [name='a.'] is protected. Comment: was not found]", "refused"),
        ("RRSet with DNS name was. cannot be created as weighted sets must contain the same TTL.", "refused"),
    ],
)
def test_why_a_batch_is_refused(message: str, kind: str) -> None:
    error = decide.refusal([message])
    assert (error.kind, error.system, error.retriable) == (kind, "route53", False)
    assert ("protection" in error.message) == ("is protected" in message)


@pytest.mark.parametrize(
    ("config", "good", "of", "up"),
    [
        ({}, 4, 20, True),
        ({}, 3, 20, False),
        ({}, 0, 0, None),
        ({"Inverted": True}, 3, 20, True),
        ({"Inverted": True}, 0, 0, None),
        ({"Disabled": True}, 0, 20, True),
        ({"Disabled": True, "Inverted": True}, 0, 0, False),
    ],
)
def test_what_checkers_say(config: Json, good: int, of: int, up: bool | None) -> None:
    assert decide.is_healthy(config, good * ["Success: 200"] + (of - good) * ["Failure: no"]) is up


def test_only_endpoints_have_checkers() -> None:
    kinds = ("HTTP", "HTTPS_STR_MATCH", "TCP", "CALCULATED", "CLOUDWATCH_METRIC", "RECOVERY_CONTROL")
    assert [decide.has_checkers({"Type": kind}) for kind in kinds] == [True, True, True, False, False, False]
