# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up exchange that speaks nothing of ours, mapped by the example inventory of the docs."""

from __future__ import annotations

import pathlib
import typing as t
from collections.abc import Iterator

import pytest
import yaml
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import steps
from drain_world import Handler, Json, Server, failing, good, outcomes, play, verdicts

EXAMPLE = pathlib.Path(__file__).parents[5] / "docs" / "examples" / "drain-foreign-exchange.yml"


class Venue(Server):
    """Borealis: phases, images and audits. Its commands are numbered by `ticket`."""

    def __init__(self) -> None:
        self.phase, self.seq = "CONTINUOUS", 500
        self.bulletin: Json | None = None
        self.image: Json | None = None
        self.money: Json = {
            "ccy": "USD",
            "free": "90.50",
            "locked": "9.50",
            "fees": "0",
            "owed": "-100",
            "required": "9.5",
        }
        self.groups = [{"g": "0a", "h": "2:aa"}, {"g": "f0", "h": "1:bb"}]
        super().__init__()

    def handle(self, route: str, body: Json) -> tuple[int, t.Any] | None:
        return super().handle(route.rpartition("/")[0] if "/bulletin/" in route else route, body)

    def routes(self) -> dict[str, Handler]:
        return {
            "GET /ops/v2/venue": self.venue,
            "PUT /ops/v2/bulletin": self.announce,
            "DELETE /ops/v2/bulletin": self.withdraw,
            **{
                f"PUT /ops/v2/phase/{phase}": self.turner(phase)
                for phase in ("CONTINUOUS", "PASSIVE", "CANCELS", "STOPPED")
            },
            "GET /ops/v2/clearing": lambda _body: (200, {"rows": []}),
            "POST /ops/v2/images": self.take_image,
            "POST /ops/v2/images/beef/audit": lambda _body: (201, {"audit": self.audit()}),
            "GET /ops/v2/audit": lambda _body: (200, {"audit": self.audit()}),
        }

    def venue(self, _body: Json) -> tuple[int, Json]:
        return 200, {
            "venue": {
                "id": "BX-1",
                "build": "9.4",
                "phase": self.phase,
                "head": {"seq": self.seq, "stored": self.seq},
                "clearing": {"open": 0},
                "storage": {"healthy": "YES"},
                "image": self.image,
                "bulletin": self.bulletin,
            }
        }

    def announce(self, body: Json) -> tuple[int, Json]:
        self.bulletin = {"text": body["text"], "ends": body["ends"]}
        return 204, b""  # type: ignore[return-value]

    def withdraw(self, _body: Json) -> tuple[int, Json]:
        self.bulletin = None
        return 200, {}

    def turner(self, phase: str) -> Handler:
        def turn(_body: Json) -> tuple[int, Json]:
            self.phase = phase
            self.seq += 1
            return 202, {"appliedAt": self.seq}

        return turn

    def take_image(self, _body: Json) -> tuple[int, Json]:
        self.image = {"at": self.seq, "fingerprint": "beef"}
        return 201, {"image": self.image}

    def audit(self) -> Json:
        return {
            "layout": 3,
            "at": self.seq,
            "phase": self.phase,
            "digest": "d1",
            "resting": {"n": 3, "groups": self.groups},
            "ladders": [{"market": "BTC/USD", "crc": 974947235, "full": "f1"}],
            "money": [self.money],
            "holders": {"00": "1:cc"},
            "fills": {"n": 4, "bought": {"BTC": "1.5"}, "sold": {"BTC": "1.50"}, "open": 0, "broken": []},
            "last": "l1",
            "triggers": {"n": 0},
            "ids": {"next": 9},
            "feeds": {"BTC/USD": 12},
        }


class Edge(Server):
    """A gateway of Borealis."""

    def __init__(self) -> None:
        self.admits, self.streams = "Y", 7
        super().__init__()

    def routes(self) -> dict[str, Handler]:
        return {"GET /edge/health": self.health, "POST /edge/evict": self.evict, "PUT /edge/admission": self.admission}

    def health(self, _body: Json) -> tuple[int, Json]:
        conns = {"streams": self.streams, "fix": [{"comp": "ACME", "out": 4, "in": 9}] if self.streams else []}
        return 200, {"node": "edge-1", "unanswered": 0, "admits": self.admits, "conns": conns}

    def evict(self, body: Json) -> tuple[int, Json]:
        assert (body["closeCode"], body["batches"]) == (1012, 10)
        self.streams = 0
        return 200, {"gone": 8, "stuck": []}

    def admission(self, body: Json) -> tuple[int, Json]:
        self.admits = "Y" if body["admit"] is True else "N"
        return 200, {}


class Borealis:
    """The whole exchange, and a spare venue that audits its images."""

    def __init__(self) -> None:
        self.venue, self.spare, self.edge = Venue(), Venue(), Edge()
        variables = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
        self.contract, self.unknown = variables["drain_contract"], variables["drain_allow_unknown"]

    def follow(self) -> None:
        self.spare.seq, self.spare.phase = self.venue.seq, self.venue.phase

    def call(self, state: str, **given: t.Any) -> Json:
        options = {
            "state": state,
            "engine": {"url": self.venue.url},
            "prove": {"url": self.spare.url},
            "gateways": [{"url": self.edge.url}],
            "contract": self.contract,
            "allow_unknown": self.unknown,
            "resume": {"cancel_only_s": 0, "post_only_s": 0},
        }
        return play({**options, **given})


@pytest.fixture
def borealis(monkeypatch: pytest.MonkeyPatch) -> Iterator[Borealis]:
    monkeypatch.setattr(steps, "POLL_S", 0.005)
    made = Borealis()
    # The spare loads the image as it was taken.
    take = made.venue.take_image

    def taken(body: Json) -> tuple[int, Json]:
        made.spare.seq, made.spare.phase = made.venue.seq, made.venue.phase
        return take(body)

    monkeypatch.setattr(made.venue, "take_image", taken)
    yield made
    for server in (made.venue, made.spare, made.edge):
        server.close()


def test_status(borealis: Borealis) -> None:
    result = good(borealis.call("status"))
    assert (result["mode"], result["verdict"], borealis.venue.writes()) == ("online", "pass", [])
    assert result["proofs"]["after"]["balances"]["currencies"]["USD"]["available"] == "90.50"


def test_drained_and_back(borealis: Borealis) -> None:
    drain = good(borealis.call("drained", mode="halted", reason="disk swap"))
    assert verdicts(drain) == {f"I{n}": "unknown" if n == 2 else "pass" for n in range(1, 10)}
    assert (borealis.venue.phase, borealis.edge.admits, drain["mode"]) == ("STOPPED", "N", "halted")
    assert borealis.venue.bulletin is not None
    assert borealis.venue.bulletin["ends"].endswith("Z")
    assert not good(borealis.call("drained", mode="halted", reason="disk swap"))["changed"]
    back = good(borealis.call("online", expected=drain["proofs"]["before"]))
    assert list(outcomes(back)) == ["verify", "ready", "cancel_only", "post_only", "online", "withdraw"]
    assert (borealis.venue.phase, borealis.venue.bulletin, borealis.edge.admits) == ("CONTINUOUS", None, "Y")


def test_an_image_that_lost_a_group_of_orders(borealis: Borealis) -> None:
    borealis.spare.groups = borealis.spare.groups[:1]
    result = borealis.call("drained")
    assert failing(result) == {"I3"}
    assert "open orders bucket f0" in result["msg"]
    assert (borealis.venue.phase, borealis.venue.bulletin) == ("CONTINUOUS", None)


def test_money_that_is_not_there(borealis: Borealis) -> None:
    borealis.spare.money = {**borealis.spare.money, "free": "90.49"}
    assert failing(borealis.call("drained")) == {"I5"}


def test_what_it_does_not_have_is_refused_first(borealis: Borealis) -> None:
    result = borealis.call("drained", way="handover", new_engine={"url": borealis.spare.url})
    assert result["msg"] == "contract: engine.follow has to be offered for way handover"
    assert "acknowledgements" in borealis.call("drained", allow_unknown=[])["msg"]
