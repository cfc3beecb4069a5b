# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a request to Route 53 is tried again, and what its errors are. boto3 is not needed here."""

from __future__ import annotations

import pathlib
import typing as t
from collections.abc import Mapping

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    OptionError,
    ReleaseError,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import route53_api
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import (
    Batch,
    Member,
    WeightedSet,
    Written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.route53 import Route53
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.route53_api import (
    NoAnswer,
    Refused,
    RequestError,
    Route53Api,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.token_bucket import Limit, TokenBucket
from fakes import FakeClock

Json = dict[str, t.Any]
Met = Json | Refused | NoAnswer

BUSY = Refused(400, "PriorRequestNotComplete", ["busy"])
THROTTLED = Refused(400, "Throttling", ["Rate exceeded"])
SERVER = Refused(503, "ServiceUnavailable", ["no"])
SILENT = NoAnswer("ConnectTimeoutError")
CHANGED = Refused(
    400, "InvalidChangeBatch", ["Tried to delete x but the values provided do not match the current values"]
)


class Script:
    """Answers one after the other, and the last one for ever."""

    def __init__(self, clock: FakeClock, *answers: Met, takes_s: float = 0.0) -> None:
        self.clock = clock
        self.answers = list(answers)
        self.takes_s = takes_s
        #: What it costs to have client and credentials at hand, and why they are not.
        self.prepares_s = 0.0
        self.unprepared: NoAnswer | None = None
        self.asked: list[tuple[str, Mapping[str, t.Any], float]] = []

    def prepare(self, timeout_s: float) -> None:
        self.clock.elapsed += self.prepares_s
        if self.unprepared is not None:
            raise self.unprepared

    def send(self, operation: str, parameters: Mapping[str, t.Any], timeout_s: float, end: float) -> Json:
        assert self.clock.monotonic() < end
        self.asked.append((operation, parameters, timeout_s))
        self.clock.elapsed += min(self.takes_s, timeout_s)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class World:
    def __init__(self, folder: pathlib.Path, *answers: Met, takes_s: float = 0.0, chance: float = 1.0) -> None:
        self.clock = FakeClock()
        self.script = Script(self.clock, *answers, takes_s=takes_s)
        bucket = TokenBucket(folder / "bucket", Limit(10, 50), self.clock)
        self.api = Route53Api(self.script, bucket, self.clock, chance=lambda: chance)
        health = TokenBucket(folder / "health", Limit(1, 4), self.clock)
        self.provider = Route53("/hostedzone/Z1", self.api, health, self.clock)

    def end(self, seconds: float = 30.0) -> float:
        return self.clock.monotonic() + seconds

    def fails(self, seconds: float = 30.0) -> RequestError:
        with pytest.raises(RequestError) as met:
            self.api.ask("get_change", {"Id": "C1"}, self.end(seconds))
        assert self.clock.elapsed <= seconds
        return met.value


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path


@pytest.mark.parametrize("trouble", [BUSY, THROTTLED, SERVER, SILENT, Refused(400, "ThrottlingException", [])])
def test_what_passes_is_waited_for_with_longer_pauses(folder: pathlib.Path, trouble: Met) -> None:
    world = World(folder, trouble, trouble, trouble, {"found": 1})
    assert world.api.ask("get_change", {"Id": "C1"}, world.end()).answer == {"found": 1}
    pauses = [pause for pause in world.clock.slept if pause >= 0.25]
    assert pauses == pytest.approx([0.25, 0.5, 1.0])


def test_half_of_a_pause_is_chance(folder: pathlib.Path) -> None:
    world = World(folder, BUSY, {}, chance=0.0)
    world.api.ask("get_change", {}, world.end())
    assert world.clock.slept == pytest.approx([0.125])


@pytest.mark.parametrize("trouble", [BUSY, THROTTLED, SERVER, SILENT])
@pytest.mark.parametrize("takes_s", [0.0, 0.4, 7.0])
def test_all_tries_stay_inside_the_end(folder: pathlib.Path, trouble: Met, takes_s: float) -> None:
    world = World(folder, trouble, takes_s=takes_s)
    error = world.fails(seconds=10.0)
    assert error.retriable
    assert error.kind == ("throttled" if trouble in (BUSY, THROTTLED) else "unreachable")
    assert all(timeout <= 10.0 for _operation, _parameters, timeout in world.script.asked)


@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        (Refused(403, "AccessDenied", ["token=S3CRET"]), "auth", "AccessDenied"),
        (Refused(403, "SignatureDoesNotMatch", ["x-amz-security-token:S3CRET"]), "auth", "SignatureDoesNotMatch"),
        (Refused(404, "NoSuchHostedZone", ["No hosted zone found"]), "not_found", "No hosted zone found"),
        (Refused(400, "InvalidInput", ["Weight is wrong"]), "refused", "Weight is wrong"),
        (CHANGED, "conflict", "do not match"),
        (NoAnswer("there are no credentials", kind="auth", hopeless=True), "auth", "no credentials"),
    ],
)
def test_what_does_not_pass_is_told_at_once(folder: pathlib.Path, trouble: Met, kind: str, words: str) -> None:
    world = World(folder, trouble)
    error = world.fails()
    assert (error.kind, error.system, error.retriable, error.unsure) == (kind, "route53", False, False)
    assert words in error.message
    assert "S3CRET" not in error.message
    assert len(world.script.asked) == 1


@pytest.mark.parametrize(("first", "unsure"), [(SILENT, True), (SERVER, True), (BUSY, False), (THROTTLED, False)])
def test_a_try_without_an_answer_is_remembered(folder: pathlib.Path, first: Met, unsure: bool) -> None:
    assert World(folder, first, CHANGED).fails().unsure is unsure
    assert World(folder, first, {}).api.ask("get_change", {}, 2000.0).unsure is unsure
    # Nobody may take it for a refusal: it may have been carried out.
    assert World(folder, first, BUSY).fails().kind == ("unreachable" if unsure else "throttled")


def test_a_server_that_throttles_slows_all_down(folder: pathlib.Path) -> None:
    world = World(folder, THROTTLED, {}, chance=0.0)
    world.api.ask("get_change", {}, world.end())
    other = TokenBucket(folder / "bucket", Limit(10, 50), world.clock)
    began = world.clock.elapsed
    for _ in range(3):
        other.take(world.end())
    assert world.clock.elapsed - began >= 0.2


def test_a_change_is_asked_for_every_2_to_5_seconds(folder: pathlib.Path) -> None:
    pending, there = {"ChangeInfo": {"Status": "PENDING"}}, {"ChangeInfo": {"Status": "INSYNC"}}
    for chance, pause in ((0.0, 2.0), (1.0, 5.0)):
        world = World(folder, pending, pending, there, chance=chance)
        world.provider.wait(Written("C1", True), world.end(60))
        assert world.clock.slept == pytest.approx(3 * [pause])
        assert [asked[:2] for asked in world.script.asked] == 3 * [("get_change", {"Id": "C1"})]
    world = World(folder, pending)
    world.provider.wait(Written("C1", False), world.end())
    assert world.script.asked == []


def changing(world: World) -> Batch:
    """The batch that changes a set."""
    raw = [{"Name": "api.pincex.test.", "Type": "A", "SetIdentifier": "us", "Weight": 1, "TTL": 30}]
    found = WeightedSet("api.pincex.test.", "A", (Member("us", 1, ("198.18.1.2",)),), {"us": 30}, raw=raw)
    return world.provider.batch(found, {"us": 2})


@pytest.mark.parametrize("later", [THROTTLED, BUSY, Refused(403, "AccessDenied", []), CHANGED])
def test_a_change_without_an_answer_stays_in_doubt_whatever_comes_later(folder: pathlib.Path, later: Met) -> None:
    """It is looked for, and looking fails, or finds another set."""
    world = World(folder, SILENT, CHANGED, later)
    batch = changing(world)
    with pytest.raises(ReleaseError) as met:
        world.provider.write(batch, world.end(5.0))
    assert may_have_written(met.value)
    assert world.script.asked[2][0] == "list_resource_record_sets"


def test_no_change_is_sent_after_the_fence(folder: pathlib.Path) -> None:
    world = World(folder, BUSY)
    batch = changing(world)
    with pytest.raises(ReleaseError) as met:
        world.provider.write(batch, world.end(300.0), world.end(4.0))
    assert world.clock.elapsed <= 4.0
    assert (met.value.kind, met.value.retriable, may_have_written(met.value)) == ("throttled", True, False)
    tries = len(world.script.asked)
    assert tries > 1
    with pytest.raises(ReleaseError) as met:
        world.provider.write(batch, world.end(300.0), world.end(0.0))
    assert (len(world.script.asked), met.value.retriable, may_have_written(met.value)) == (tries, True, False)


@pytest.mark.parametrize(("prepares_s", "timeout_s"), [(0.0, 2.0), (1.0, 1.5), (3.9, 0.1), (4.0, None), (30.0, None)])
def test_what_a_try_needs_comes_off_the_time_that_the_lock_leaves(
    folder: pathlib.Path, prepares_s: float, timeout_s: float | None
) -> None:
    world = World(folder, {"ChangeInfo": {"Id": "/change/C1", "Status": "INSYNC"}})
    world.script.prepares_s = prepares_s
    batch, fence = changing(world), world.end(4.0)
    if timeout_s is not None:
        assert world.provider.write(batch, world.end(300.0), fence).change == "C1"
        assert [asked[2] for asked in world.script.asked] == [pytest.approx(timeout_s)]
        return
    with pytest.raises(ReleaseError) as met:
        world.provider.write(batch, world.end(300.0), fence)
    assert (met.value.retriable, may_have_written(met.value), world.script.asked) == (True, False, [])


def test_credentials_that_cannot_be_had_leave_no_doubt(folder: pathlib.Path) -> None:
    """Nothing was sent, though they are asked for again."""
    world = World(folder, {})
    world.script.unprepared = NoAnswer("ConnectTimeoutError")
    error = world.fails(seconds=5.0)
    assert (error.kind, error.retriable, may_have_written(error)) == ("unreachable", True, False)


def test_health_checks_are_asked_one_in_a_second(folder: pathlib.Path) -> None:
    status = {"HealthCheckObservations": [{"StatusReport": {"Status": "Success: 200"}}]}
    both = {"HealthCheck": {"HealthCheckConfig": {"Type": "HTTP"}}, **status}
    world = World(folder, both)
    members = tuple(Member(f"r{number}", 1, health=f"check-{number}") for number in range(8))
    found = WeightedSet("api.pincex.test.", "A", members, {})
    assert world.provider.healthy(found, world.end()) == {f"r{number}": True for number in range(8)}
    assert 4.0 <= world.clock.elapsed <= 5.0
    with pytest.raises(ReleaseError) as met:
        world.provider.healthy(found, world.end(2.0))
    assert met.value.kind == "throttled"


def test_without_boto3_its_name_is_told(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route53_api, "HAVE_BOTO3", False)
    with pytest.raises(ReleaseError, match="boto3") as met:
        Route53.from_options({"zone_id": "Z1"}, FakeClock())
    assert (met.value.kind, met.value.system) == ("library", "controller")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"endpoint_url": "ftp://x"}, "endpoint_url"),
        ({"endpoint_url": "http://user:secret@x"}, "endpoint_url"),
        ({"requests_per_s": 0.0}, "requests_per_s"),
        ({"burst": 0.5}, "burst"),
    ],
)
def test_options_that_cannot_be(options: Json, words: str) -> None:
    with pytest.raises(OptionError, match=words) as met:
        Route53.from_options({"zone_id": "Z1", "profile": None, **options}, FakeClock())
    assert "secret" not in met.value.message
