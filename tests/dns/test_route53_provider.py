# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The provider against Route 53's rules: what it writes, whom it does not overwrite, and how often it asks."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import multiprocessing
import pathlib
import time
import typing as t
from collections.abc import Iterator

import boto3.session
import botocore.credentials
import botocore.session
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError, may_have_written
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import route53
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member, WeightedSet, Written
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.token_bucket import Limit, TokenBucket
from fakes import FakeClock
from moto_process import moto_process
from route53_shim import HEALTHY, Bucket
from route53_world import NAME, SECRET, World, record

US, EU = record("us-east-1", 50, HealthCheckId="abc"), record("eu-west-1", 50)
#: How long each of many processes asks.
ASKED_S = 2.5
OWNER = "heritage=external-dns,external-dns/owner=eu"


@pytest.fixture(scope="module")
def moto_port() -> Iterator[int]:
    with moto_process() as port:
        yield port


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setattr(route53, "_POLL_S", (0.02, 0.05))


@pytest.fixture
def world(moto_port: int, tmp_path: pathlib.Path) -> Iterator[World]:
    found = World(moto_port, tmp_path)
    found.make(US, EU)
    yield found
    found.shim.stop()


def read(world: World) -> WeightedSet:
    found = world.provider.read(NAME, "A", world.end)
    assert found is not None
    return found


def changed(world: World, weights: dict[str, int]) -> None:
    world.provider.wait(world.provider.write(world.provider.batch(read(world), weights), world.end), world.end)


def test_weights_change_and_nothing_else_does(world: World) -> None:
    world.shim.pending_polls = 3
    changed(world, {"us-east-1": 0})
    assert world.stored() == [EU, {**US, "Weight": 0}]
    # The owner is looked for at two names beside the set's own.
    asked = {name: world.shim.asked(name) for name, _code in world.shim.log}
    assert asked == {"ListResourceRecordSets": 4, "ChangeResourceRecordSets": 1, "GetChange": 4}
    changed(world, {"us-east-1": 255, "eu-west-1": 1})
    assert read(world).weights == {"eu-west-1": 1, "us-east-1": 255}


def test_aliases_stay_aliases(world: World) -> None:
    alias = {"HostedZoneId": "Z0LB", "DNSName": "lb.example.com.", "EvaluateTargetHealth": True}
    aliased = record("ap-south-1", 10, TTL=None, ResourceRecords=None, AliasTarget=alias)
    world.make(aliased)
    changed(world, {"ap-south-1": 20})
    assert world.stored() == [{**aliased, "Weight": 20}, EU, US]


def test_a_set_is_made(world: World) -> None:
    members = Member("us-east-1", 0, ("127.0.1.1",), health="abc"), Member("eu-west-1", 0, ("127.0.2.1",))
    name = "new.pincex.test."
    assert world.provider.read(name, "A", world.end) is None
    batch = world.provider.batch(WeightedSet(name, "A", members, {"us-east-1": 30, "eu-west-1": 30}), {"us-east-1": 5})
    world.provider.write(batch, world.end)
    assert world.stored(name) == [{**EU, "Name": name, "Weight": 0}, {**US, "Name": name, "Weight": 5}]
    with pytest.raises(ReleaseError) as met:
        world.provider.write(batch, world.end)
    assert met.value.kind == "conflict"


@pytest.mark.parametrize("weights", [(51, 50), (50, 0)], ids=["the region we change", "another region"])
def test_a_second_writer_is_not_overwritten(world: World, weights: tuple[int, int]) -> None:
    batch = world.provider.batch(read(world), {"us-east-1": 0})
    theirs = {**US, "Weight": weights[0]}, {**EU, "Weight": weights[1]}
    world.send(*(("UPSERT", one) for one in theirs))
    with pytest.raises(ReleaseError, match="changed since it was read") as met:
        world.provider.write(batch, world.end)
    assert (met.value.kind, met.value.retriable) == ("conflict", False)
    assert world.stored() == [theirs[1], theirs[0]]


def test_a_protection_is_told_as_one(world: World) -> None:
    world.shim.protected[(NAME, "A")] = "was not found"
    with pytest.raises(ReleaseError, match="protection") as met:
        changed(world, {"us-east-1": 0})
    assert met.value.kind == "refused"


@pytest.mark.parametrize("spoil", [["lost"], ["503", "lost"], ["dropped"], ["503", "503"]], ids="-".join)
def test_a_change_without_an_answer_is_carried_out_once(world: World, spoil: list[str]) -> None:
    world.shim.spoil = spoil
    changed(world, {"us-east-1": 10})
    assert world.stored() == [EU, {**US, "Weight": 10}]


def test_a_change_without_an_answer_and_then_somebody_elses_may_have_been_made(world: World) -> None:
    batch = world.provider.batch(read(world), {"us-east-1": 0})
    world.send(("UPSERT", {**US, "Weight": 7}))
    world.shim.spoil = ["dropped"]
    with pytest.raises(ReleaseError) as met:
        world.provider.write(batch, world.end)
    assert met.value.kind == "unreachable"


def test_a_busy_zone_is_waited_for(world: World) -> None:
    world.shim.one_change_at_a_time = True
    world.shim.pending_polls = 10_000
    world.send(("UPSERT", EU))
    batch = world.provider.batch(read(world), {"us-east-1": 0})
    with pytest.raises(ReleaseError, match="PriorRequestNotComplete") as met:
        world.provider.write(batch, time.monotonic() + 1.5)
    assert (met.value.kind, met.value.retriable) == ("throttled", True)
    assert world.shim.asked("ChangeResourceRecordSets") > 2
    world.shim.settle()
    world.provider.write(batch, world.end)


def test_throttling_by_others_is_waited_for(world: World) -> None:
    world.shim.account = Bucket(4, 1)
    changed(world, {"us-east-1": 0})
    assert world.shim.account.throttled > 0


def test_waiting_for_a_change_has_an_end(world: World) -> None:
    world.shim.pending_polls = 10_000
    written = world.provider.write(world.provider.batch(read(world), {"us-east-1": 0}), world.end)
    assert written.waits
    with pytest.raises(ReleaseError, match=written.change) as met:
        world.provider.wait(written, time.monotonic() + 0.5)
    assert (met.value.kind, met.value.retriable) == ("timeout", True)


def test_a_change_that_nobody_may_ask_for_any_more_is_told_as_one_that_is_on_its_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last question before the end has to wait for a token that comes behind it."""
    written = world.provider.write(world.provider.batch(read(world), {"us-east-1": 0}), world.end)

    def used_up(_operation: str, _parameters: object, _end: float) -> t.NoReturn:
        raise ReleaseError("the requests that 10/s allow are used up for another 0.0 s", kind="throttled")

    monkeypatch.setattr(world.provider._api, "ask", used_up)
    with pytest.raises(ReleaseError, match=f"change {written.change}: not on all servers yet") as met:
        world.provider.wait(Written(written.change, waits=True), world.end)
    assert (met.value.kind, met.value.retriable) == ("timeout", True)


def test_another_task_can_wait_for_a_change_by_its_id(world: World) -> None:
    world.shim.pending_polls = 3
    written = world.provider.write(world.provider.batch(read(world), {"us-east-1": 0}), world.end)
    world.another().wait(Written(written.change, waits=True), world.end)
    assert world.shim.asked("GetChange") == 4
    with pytest.raises(ReleaseError, match="NoSuchChange") as met:
        world.another().wait(Written("C404", waits=True), world.end)
    assert met.value.kind == "not_found"


def test_nothing_is_sent_after_the_lock_has_ended(world: World) -> None:
    batch = world.provider.batch(read(world), {"us-east-1": 0})
    with pytest.raises(ReleaseError) as met:
        world.provider.write(batch, world.end, time.monotonic())
    assert (met.value.retriable, may_have_written(met.value)) == (True, False)
    assert world.shim.asked("ChangeResourceRecordSets") == 0
    world.provider.write(batch, world.end, world.end)
    assert world.stored() == [EU, {**US, "Weight": 0}]


class SlowCredentials(botocore.credentials.CredentialProvider):  # type: ignore[misc] # botocore has no types
    """Fetched anew whenever they are needed, because they end soon. Each time costs the next of `takes_s`, and then
    nothing."""

    METHOD = CANONICAL_NAME = "slow"

    def __init__(self, clock: FakeClock, takes_s: list[float]) -> None:
        super().__init__()
        self.clock, self.takes_s = clock, takes_s

    def load(self) -> t.Any:
        return botocore.credentials.DeferredRefreshableCredentials(self._fetch, self.METHOD)

    def _fetch(self) -> dict[str, str]:
        self.clock.elapsed += self.takes_s.pop(0) if self.takes_s else 0.0
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
        return {"access_key": "testing", "secret_key": SECRET, "token": "testing", "expiry_time": ends.isoformat()}


@pytest.mark.parametrize("takes_s", [[30.0], [4.0], [0.0, 30.0], [1.0, 3.0]], ids=str)
def test_credentials_that_take_long_send_nothing_after_the_lock_has_ended(
    world: World, monkeypatch: pytest.MonkeyPatch, takes_s: list[float]
) -> None:
    """Also those that are fetched once more while the request is signed."""
    clock, session, make = FakeClock(), botocore.session.Session(), boto3.session.Session
    slow = SlowCredentials(clock, takes_s)
    session.register_component("credential_provider", botocore.credentials.CredentialResolver([slow]))
    monkeypatch.setattr(boto3.session, "Session", lambda **given: make(botocore_session=session, region_name="eu"))
    provider = route53.Route53.from_options(world.options(), clock)
    batch = world.provider.batch(read(world), {"us-east-1": 0})
    with pytest.raises(ReleaseError, match="the time is over") as met:
        provider.write(batch, clock.monotonic() + 300.0, clock.monotonic() + 4.0)
    assert (met.value.retriable, may_have_written(met.value), takes_s) == (True, False, [])
    assert world.shim.asked("ChangeResourceRecordSets") == 0
    # By now they are there.
    provider.write(batch, clock.monotonic() + 300.0, clock.monotonic() + 4.0)
    assert world.stored() == [EU, {**US, "Weight": 0}]


@pytest.mark.parametrize("name", [NAME, f"a-{NAME}", f"cname-{NAME}"])
def test_external_dns_is_seen(world: World, name: str) -> None:
    assert read(world).owner is None
    mark = {"Name": name, "Type": "TXT", "TTL": 300, "ResourceRecords": [{"Value": f'"{OWNER}"'}]}
    world.send(("CREATE", mark))
    assert read(world).owner == OWNER


def test_what_the_health_checks_say(world: World) -> None:
    config = {"Type": "HTTP", "IPAddress": "127.0.1.1", "Port": 80, "ResourcePath": "/", "RequestInterval": 30}
    made = world.client.create_health_check(CallerReference="us", HealthCheckConfig=config)["HealthCheck"]["Id"]
    world.send(("UPSERT", {**US, "HealthCheckId": made}))
    for statuses, up in ((3 * [HEALTHY], True), (["Failure: no"], False), ([], None)):
        world.shim.health[made] = statuses
        assert world.provider.healthy(read(world), world.end) == {"eu-west-1": None, "us-east-1": up}
    world.send(("UPSERT", {**US, "HealthCheckId": "gone"}))
    assert world.provider.healthy(read(world), world.end) == {"eu-west-1": None, "us-east-1": None}


def test_a_zone_of_10000_sets_costs_as_many_requests_as_an_empty_one(
    moto_port: int, tmp_path: pathlib.Path, world: World
) -> None:
    large = World(moto_port, tmp_path / "large", seeded=10_000)
    count = large.client.get_hosted_zone(Id=large.zone)["HostedZone"]["ResourceRecordSetCount"]
    assert count >= 10_000
    large.make(US, EU)
    for one in (large, world):
        one.forget()
        changed(one, {"us-east-1": 0})
    assert len(large.shim.log) == len(world.shim.log) <= 6
    large.shim.stop()


def test_a_zone_that_is_not_there(world: World) -> None:
    with pytest.raises(ReleaseError, match="NoSuchHostedZone") as met:
        world.another(zone_id="Z404").read(NAME, "A", world.end)
    assert met.value.kind == "not_found"


def test_nobody_listens(world: World) -> None:
    world.shim.stop()
    began = time.monotonic()
    with pytest.raises(ReleaseError, match="no answer") as met:
        world.provider.read(NAME, "A", began + 1.0)
    assert met.value.kind == "unreachable"
    assert time.monotonic() - began < 3
    world.shim.start()


def ask_as_often_as_allowed(file: pathlib.Path, port: int, start: t.Any) -> None:
    bucket = TokenBucket(file, Limit(10, 50), SystemClock())
    start.wait()
    end = time.monotonic() + ASKED_S
    with contextlib.suppress(ReleaseError):
        while True:
            bucket.take(end)
            one = http.client.HTTPConnection("127.0.0.1", port)
            one.request("GET", "/2013-04-01/change/C404")
            one.getresponse().read()
            one.close()


def test_20_processes_together_stay_below_the_limit(world: World, tmp_path: pathlib.Path) -> None:
    """The service's own bucket is the judge."""
    # Forked: 20 new interpreters that load Ansible take longer than the test.
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(21)
    given = (tmp_path / "shared", world.shim.port, start)
    processes = [fork.Process(target=ask_as_often_as_allowed, args=given) for _number in range(20)]
    for one in processes:
        one.start()
    world.forget()
    start.wait()
    for one in processes:
        one.join(60)
    assert [one.exitcode for one in processes] == 20 * [0]
    assert world.shim.account.throttled == 0
    # 45 at once and 10/s: as much as the limit gives, and not only little because nobody came through.
    assert 45 <= world.shim.account.allowed <= 45 + 10 * ASKED_S + 1


def test_20_regions_are_one_change(world: World) -> None:
    name = "many.pincex.test."
    regions = [f"region-{number:02d}" for number in range(20)]
    world.make(*(record(region, 10, Name=name) for region in regions))
    found = world.provider.read(name, "A", world.end)
    assert found is not None
    world.provider.write(world.provider.batch(found, dict.fromkeys(regions, 20)), world.end)
    assert {one["Weight"] for one in world.stored(name)} == {20}
    assert world.shim.asked("ChangeResourceRecordSets") == 1
    assert world.shim.account.throttled == 0


def test_credentials_are_in_no_error_and_no_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = world.provider.batch(read(world), {"us-east-1": 0})
    assert SECRET not in str(batch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(ReleaseError, match="no credentials") as met:
        route53.Route53.from_options(world.options(), SystemClock()).read(NAME, "A", world.end)
    assert met.value.kind == "auth"
