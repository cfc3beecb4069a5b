# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name servers of a lab: what they are told, and what the zone holds."""

from __future__ import annotations

import http.server
import json
import pathlib
import threading
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import lua_record
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import Member

from lab import dns
from lab.errors import LabError
from lab.model import plan_lab

LAB = plan_lab("test", 3)


def lines(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines()}


def test_the_set_is_the_one_that_dns_weight_writes() -> None:
    (record,) = next(one["records"] for one in dns.zone(LAB)["rrsets"] if one["name"] == dns.SET)
    members = lua_record.read(record["content"])
    assert members == tuple(
        Member(site.name, dns.FULL, (site.address,), health=f"http://{site.address}:19003/ready")
        for site in LAB.regions
    )
    assert lua_record.compose("A", members) == record["content"]


def test_each_region_has_a_name_of_its_own() -> None:
    names = {one["name"]: one for one in dns.zone(LAB)["rrsets"]}
    for site in LAB.regions:
        assert names[f"{site.name}.pincex.test."]["records"] == [{"content": site.address, "disabled": False}]
    assert {one["ttl"] for one in names.values()} == {dns.TTL}


def test_the_state_says_what_the_module_needs_and_not_the_key() -> None:
    state = dns.state(LAB)
    assert state["full"] == dict.fromkeys(("us-east-1", "eu-west-1", "ap-northeast-1"), 50)
    assert state["members"]["us-east-1"]["targets"] == ["198.18.17.2"]
    assert (state["authority"], state["url"]) == ("198.18.16.2:53", "http://198.18.16.2:8081")
    assert len(state["resolvers"]) == len(set(state["resolvers"])) == 4
    assert state["api_key_file"].startswith(str(LAB.home))


def test_no_question_of_the_servers_leaves_the_lab() -> None:
    api = dns.Api("198.18.16.2", 8081, "key")
    powerdns = lines(dns.powerdns_config(pathlib.Path("/x"), api, 53, "198.18.0.0/15"))
    assert {"local-address=198.18.16.2", "webserver-allow-from=198.18.0.0/15", "security-poll-suffix="} <= powerdns
    unbound = lines(dns.unbound_config(pathlib.Path("/x"), "198.18.16.2", 5301, "198.18.16.2@53", "198.18.0.0/15"))
    assert {'local-zone: "." refuse', "interface: 198.18.16.2@5301", "stub-addr: 198.18.16.2@53"} <= unbound


class Zones(http.server.ThreadingHTTPServer):
    """An API that has no zone at first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.made: list[t.Any] = []
        self.status = 201


class Handler(http.server.BaseHTTPRequestHandler):
    server: Zones

    def log_message(self, format: str, *args: t.Any) -> None:
        pass

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        assert self.headers["X-API-Key"] == "key"
        self.answer(200 if self.server.made else 404)

    def do_POST(self) -> None:
        zone = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status == 201:
            self.server.made.append(zone)
        self.answer(self.server.status)


@pytest.fixture
def zones() -> t.Iterator[Zones]:
    with Zones() as server:
        threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True).start()
        yield server
        server.shutdown()


def test_a_zone_is_made_once(zones: Zones) -> None:
    api = dns.Api("127.0.0.1", zones.server_port, "key")
    assert api.ensure_zone(dns.zone(LAB))
    assert api.ensure_zone(dns.zone(LAB))
    assert [zone["name"] for zone in zones.made] == ["pincex.test."]


def test_a_zone_that_is_refused_is_an_error_and_silence_is_none(zones: Zones) -> None:
    zones.status = 422
    with pytest.raises(LabError, match="422"):
        dns.Api("127.0.0.1", zones.server_port, "key").ensure_zone(dns.zone(LAB))
    assert not dns.Api("127.0.0.1", 1, "key").ensure_zone(dns.zone(LAB))
