# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that is carried out and not answered, in a whole task over both providers: it is gone on with under the next
fence, so its answers are looked at and its id is waited for. The lease lasts 6 s and lets nothing be sent in its last
2 s."""

from __future__ import annotations

import pathlib
import typing as t
from collections.abc import Mapping

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import route53_api
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.route53 import Route53
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.token_bucket import Limit, TokenBucket
from dns_world import ADDRESSES, EU, NAME, US, DnsWorld, good
from memory_powerdns import OLD, MemoryPowerDns, Met

Json = dict[str, t.Any]

OUT: dict[str, t.Any] = {"state": "evacuated", "regions": [US], "verify": {"queries": 0, "resolvers": []}}


#: It is found under the same fence, or under the next one.
HELD = pytest.mark.parametrize("held_s", [0.0, 5.0])


@HELD
def test_a_broken_record_is_put_back_after_a_lost_answer_as_well(
    world: DnsWorld, tmp_path: pathlib.Path, held_s: float
) -> None:
    server = MemoryPowerDns(world, tmp_path, foreign="192.0.2.1")
    server.meets = [Met(carried=True, held_s=held_s)]
    done = world.weight(**OUT, release=world.fleet_release())
    assert (done["error"]["kind"], server.content) == ("broken", OLD)
    assert "what was there before is there again" in done["msg"]
    assert server.asked.count("PATCH") == 2, "the change, and the way back"
    [entry] = world.journaled()
    assert not entry.done


@HELD
def test_a_slow_secondary_is_waited_for_after_a_lost_answer_as_well(
    world: DnsWorld, tmp_path: pathlib.Path, held_s: float
) -> None:
    server = MemoryPowerDns(world, tmp_path, late_s=40.0)
    server.meets = [Met(carried=True, held_s=held_s)]
    done = good(world.weight(**OUT, release=world.fleet_release()))
    assert (done["changed"], done["change_id"], server.asked.count("PATCH")) == (True, "8", 1)
    assert 40.0 <= world.clock.elapsed <= 45.0
    assert server.patience == [2.0], "half of the 4 s that the lease leaves"
    [entry] = world.journaled()
    assert entry.done


RAW = [
    {
        "Name": NAME,
        "Type": "A",
        "SetIdentifier": region,
        "Weight": 50,
        "TTL": 30,
        "ResourceRecords": [{"Value": ADDRESSES[region]}],
    }
    for region in (EU, US)
]


class Route53Server:
    """One set, which a batch changes when it deletes what stands there. So many of them are carried out without an
    answer as `silent` says. A change is everywhere `insync_s` after it."""

    def __init__(self, world: DnsWorld, folder: pathlib.Path, *, silent: int, insync_s: float):
        self.clock = world.clock
        self.silent, self.insync_s = silent, insync_s
        self.records: list[Json] = RAW
        self.changes: list[float] = []
        #: Operations, with their time-outs.
        self.asked: list[tuple[str, float]] = []
        api = route53_api.Route53Api(self, TokenBucket(folder / "b", Limit(10, 50), self.clock), self.clock, lambda: 1)
        bucket = TokenBucket(folder / "health", Limit(1, 4), self.clock)
        world.dns = t.cast("t.Any", Route53("Z1", api, bucket, self.clock))

    def prepare(self, timeout_s: float) -> None:
        """Nothing."""

    def send(self, operation: str, parameters: Mapping[str, t.Any], timeout_s: float, end: float) -> Json:
        self.asked.append((operation, timeout_s))
        if operation == "list_resource_record_sets":
            start = parameters["StartRecordName"]
            found = self.records if start.rstrip(".") == NAME.rstrip(".") else []
            return {"ResourceRecordSets": found, "IsTruncated": False}
        if operation == "get_change":
            made = self.changes[int(parameters["Id"][1:])]
            there = self.clock.monotonic() >= made + self.insync_s
            return {"ChangeInfo": {"Status": "INSYNC" if there else "PENDING"}}
        sent = parameters["ChangeBatch"]["Changes"]
        if [one["ResourceRecordSet"] for one in sent if one["Action"] == "DELETE"] != self.records:
            text = "Tried to delete x but the values provided do not match the current values"
            raise route53_api.Refused(400, "InvalidChangeBatch", [text])
        self.records = [one["ResourceRecordSet"] for one in sent if one["Action"] == "CREATE"]
        self.changes.append(self.clock.monotonic())
        if self.silent:
            self.silent -= 1
            self.clock.elapsed += timeout_s
            raise route53_api.NoAnswer("ReadTimeoutError")
        return {"ChangeInfo": {"Id": f"/change/C{len(self.changes) - 1}", "Status": "PENDING"}}


@pytest.mark.parametrize("silent", [1, 2, 5, 9])
def test_the_id_of_a_change_is_waited_for_after_lost_answers_as_well(
    world: DnsWorld, tmp_path: pathlib.Path, silent: int
) -> None:
    server = Route53Server(world, tmp_path, silent=silent, insync_s=60.0)
    done = good(world.weight(**OUT, release=world.fleet_release()))
    assert (done["changed"], done["change_id"], len(server.changes)) == (True, f"C{silent}", silent + 1)
    [entry] = world.journaled()
    assert entry.changes[0].fields["written.change"] == {"before": None, "after": done["change_id"]}
    # Everywhere 60 s after the last of them, then TTL and slack.
    assert world.clock.monotonic() >= server.changes[-1] + 60.0
    assert {record["SetIdentifier"]: record["Weight"] for record in server.records} == {US: 0, EU: 50}


def test_one_silent_try_leaves_half_of_the_time_to_look_for_it(world: DnsWorld, tmp_path: pathlib.Path) -> None:
    server = Route53Server(world, tmp_path, silent=1, insync_s=0.0)
    good(world.weight(**OUT, release=world.fleet_release()))
    tries = [timeout_s for operation, timeout_s in server.asked if operation.startswith("change_")]
    # 4 s of the lease; the second try finds that the first was carried out, the third gets the id.
    assert tries[0] == pytest.approx(2.0)
    assert len(tries) == 3
    assert all(timeout_s <= 1.0 for timeout_s in tries[1:])


def test_when_the_time_is_over_a_lost_answer_leaves_no_id(world: DnsWorld, tmp_path: pathlib.Path) -> None:
    server = Route53Server(world, tmp_path, silent=99, insync_s=60.0)
    done = good(world.weight(**OUT, release=world.fleet_release(), deadline_s=30.0))
    assert (done["changed"], done["change_id"]) == (True, None)
    assert 28.0 <= world.clock.elapsed <= 31.0
    assert len(server.changes) > 8
    [entry] = world.journaled()
    assert (entry.done, "written.change" in entry.changes[0].fields) == (True, False)
