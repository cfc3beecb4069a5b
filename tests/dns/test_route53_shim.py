# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shim keeps the rules of Route 53 that it is there for, asked by boto3 itself."""

from __future__ import annotations

import pathlib
import typing as t
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from moto_process import moto_process
from route53_shim import HEALTHY, Bucket
from route53_world import NAME, Record, World, record

US, EU = record("us-east-1", 50), record("eu-west-1", 50)


@pytest.fixture(scope="module")
def moto_port() -> Iterator[int]:
    with moto_process() as port:
        yield port


@pytest.fixture
def world(moto_port: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing-secret")
    found = World(moto_port, tmp_path)
    yield found
    found.shim.stop()


def refused(world: World, *changes: tuple[str, Record]) -> tuple[str, str]:
    """Code and message; and nothing of the batch is there."""
    before = world.stored()
    with pytest.raises(ClientError) as met:
        world.send(*changes)
    assert world.stored() == before
    error: t.Any = met.value.response["Error"]
    return error["Code"], error["Message"]


def test_what_is_written_is_read_back_with_all_of_its_fields(world: World) -> None:
    alias = {"HostedZoneId": "Z0LB", "DNSName": "lb.example.com.", "EvaluateTargetHealth": True}
    aliased = record("eu-west-1", 0, TTL=None, ResourceRecords=None, AliasTarget=alias)
    checked = record(
        "us-east-1", 255, HealthCheckId="abc", ResourceRecords=[{"Value": "127.0.1.1"}, {"Value": "127.0.1.2"}]
    )
    world.make(checked, aliased)
    assert world.stored() == [aliased, checked]


def test_a_change_is_pending_for_so_many_questions(world: World) -> None:
    world.shim.pending_polls = 2
    change = world.send(("CREATE", US))
    assert [world.client.get_change(Id=change)["ChangeInfo"]["Status"] for _ in range(3)] == [
        "PENDING",
        "PENDING",
        "INSYNC",
    ]


def test_a_change_that_was_never_made_is_not_known(world: World) -> None:
    with pytest.raises(ClientError, match="NoSuchChange"):
        world.client.get_change(Id="C404")


def test_one_change_at_a_time(world: World) -> None:
    world.shim.one_change_at_a_time = True
    change = world.send(("CREATE", US))
    assert refused(world, ("CREATE", EU))[0] == "PriorRequestNotComplete"
    for _ in range(2):
        world.client.get_change(Id=change)
    world.send(("CREATE", EU))


def test_a_delete_has_to_match_exactly(world: World) -> None:
    world.make(US, EU)
    for wrong in ({"Weight": 51}, {"TTL": 31}, {"ResourceRecords": [{"Value": "127.0.1.9"}]}, {"HealthCheckId": "abc"}):
        code, message = refused(world, ("DELETE", {**US, **wrong}))
        assert (code, "do not match the current values" in message) == ("InvalidChangeBatch", True)
    code, message = refused(world, ("DELETE", {**US, "SetIdentifier": "ap-south-1"}))
    assert (code, "was not found" in message) == ("InvalidChangeBatch", True)
    world.send(("DELETE", US))
    assert world.stored() == [EU]


def test_deleting_a_record_leaves_those_with_its_identifier_at_other_names(world: World) -> None:
    other = {**US, "Name": "fix.pincex.test."}
    world.make(US, EU, other, {**US, "Type": "AAAA", "ResourceRecords": [{"Value": "::1"}]})
    world.send(("DELETE", US))
    assert world.stored() == [EU]
    assert world.stored("fix.pincex.test.") == [other]
    assert [one["SetIdentifier"] for one in world.stored(kind="AAAA")] == ["us-east-1"]


def test_a_batch_is_carried_out_as_a_whole_or_not_at_all(world: World) -> None:
    world.make(US, EU)
    refused(world, ("DELETE", US), ("CREATE", {**US, "Weight": 0}), ("DELETE", {**EU, "Weight": 49}))
    world.send(("DELETE", US), ("CREATE", {**US, "Weight": 0}))
    assert [one["Weight"] for one in world.stored()] == [50, 0]


def test_a_create_of_what_exists_is_refused(world: World) -> None:
    world.make(US)
    assert "already exists" in refused(world, ("CREATE", {**US, "Weight": 1}))[1]


@pytest.mark.parametrize("weight", [-1, 256])
def test_weights_are_from_0_to_255(world: World, weight: int) -> None:
    assert refused(world, ("CREATE", {**US, "Weight": weight}))[0] == "InvalidInput"


def test_a_weight_needs_an_identifier(world: World) -> None:
    assert refused(world, ("CREATE", {name: value for name, value in US.items() if name != "SetIdentifier"}))[0] == (
        "InvalidInput"
    )


def test_a_set_has_one_ttl(world: World) -> None:
    world.make(US)
    assert "must contain the same TTL" in refused(world, ("CREATE", {**EU, "TTL": 60}))[1]
    assert "must contain the same TTL" in refused(world, ("UPSERT", EU), ("UPSERT", {**US, "TTL": 60}))[1]


def test_nothing_simple_stands_beside_weights(world: World) -> None:
    world.make(US)
    simple = record("", 0, SetIdentifier=None, Weight=None)
    assert "other RRSets exist" in refused(world, ("CREATE", simple))[1]


def test_a_set_has_at_most_100_record_sets(world: World) -> None:
    world.make(*(record(f"r{number:03d}", 1) for number in range(100)))
    assert "at most 100" in refused(world, ("CREATE", US))[1]


def test_a_protected_set_is_left_alone(world: World) -> None:
    world.make(US)
    world.shim.protected[(NAME, "A")] = "ask the network team"
    assert "ask the network team" in refused(world, ("DELETE", US))[1]


def test_pages_begin_within_a_set(world: World) -> None:
    world.make(*(record(f"r{number:02d}", 1) for number in range(7)), {**US, "Name": "zz.pincex.test."})
    start: dict[str, str] = {"StartRecordName": NAME}
    pages = []
    while start:
        page: t.Any = world.client.list_resource_record_sets(HostedZoneId=world.zone, MaxItems="3", **start)
        pages.append([one["SetIdentifier"] for one in page["ResourceRecordSets"]])
        fields = ("StartRecordName", "NextRecordName"), ("StartRecordType", "NextRecordType")
        both = (*fields, ("StartRecordIdentifier", "NextRecordIdentifier"))
        start = {ours: page[theirs] for ours, theirs in both if theirs in page}
    assert pages == [["r00", "r01", "r02"], ["r03", "r04", "r05"], ["r06", "us-east-1"]]


def test_the_account_has_a_limit(world: World) -> None:
    time = [0.0]
    world.shim.account = Bucket(10, 50, clock=lambda: time[0])

    def ask() -> str:
        try:
            world.client.get_change(Id="C404")
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404)
            return str(error.response["Error"]["Code"])
        return ""

    assert [ask() for _ in range(53)] == 50 * ["NoSuchChange"] + 3 * ["Throttling"]
    time[0] = 0.2
    assert [ask() for _ in range(3)] == ["NoSuchChange", "NoSuchChange", "Throttling"]
    assert (world.shim.account.allowed, world.shim.account.throttled) == (52, 4)


def test_the_status_of_health_checks_has_its_own_limit(world: World) -> None:
    world.forget()
    world.shim.health["abc"] = [HEALTHY, "Failure: Connection timed out."]
    for _ in range(4):
        found = world.client.get_health_check_status(HealthCheckId="abc")["HealthCheckObservations"]
        assert [one["StatusReport"]["Status"] for one in found] == world.shim.health["abc"]
    with pytest.raises(ClientError, match="Throttling"):
        world.client.get_health_check_status(HealthCheckId="abc")
