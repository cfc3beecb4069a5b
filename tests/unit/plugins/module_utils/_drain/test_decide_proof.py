# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two proofs: equal ones pass, and whatever is wrong is found by the invariant that names it."""

from __future__ import annotations

import copy
import random
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import decide_proof as dp
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.status import Gateway
from hypothesis import given, settings
from hypothesis import strategies as st

Json = dict[str, t.Any]


def proof_of(seed: int) -> Json:
    """A proof that holds. Made from one number: drawing each of its fields would take most of the test's time."""
    dice = random.Random(seed)

    def text() -> str:
        return f"{dice.getrandbits(32):08x}"

    def buckets() -> dict[str, str]:
        return {f"{n:02x}": f"3:{text()}" for n in range(2, dice.randint(3, 20))}

    currencies = {}
    for name in dice.sample(["BTC", "USD", "ETH"], dice.randint(1, 3)):
        available, reserved, fees, suspended = (dice.randint(-(10**18), 10**18) for _ in range(4))
        currencies[name] = {
            "available": available,
            "reserved": reserved,
            "fees": fees,
            "suspended": suspended,
            "adjustments": -(available + reserved + fees + suspended),
            "sum": 0,
            "needed": reserved,
        }
    traded = {name: dice.randint(0, 10**12) for name in currencies}
    return {
        "projection": 1,
        "sequence": dice.randint(0, 10**9),
        "epoch": dice.randint(0, 100),
        "mode": dice.choice(["online", "cancel_only"]),
        "state_hash": text(),
        "orders": {"count": dice.randint(0, 10**6), "buckets": buckets()},
        "books": {"BTC-USD": {"l2_crc32": dice.getrandbits(32), "l3_crc32": 5, "sha256": text()}},
        "balances": {"currencies": currencies, "accounts": {"buckets": buckets()}},
        "trades": {
            "count": dice.randint(0, 1000),
            "bought": dict(traded),
            "sold": dict(traded),
            "pending": dice.randint(0, 10),
            "pending_sha256": text(),
            "one_legged": [],
        },
        "hidden": {
            "last_prices_sha256": text(),
            "stops": {"count": 1, "sha256": text()},
            "timers": {"count": 0, "sha256": text(), "paused": False},
            "counters": {"trade": dice.randint(0, 1000)},
        },
        "streams": {"BTC-USD": dice.randint(0, 10**6)},
        "extra": [],
    }


proofs = st.integers(0, 2**32).map(proof_of)


#: What may be spoiled -> the one invariant that names it.
CORRUPTIONS: dict[str, tuple[str, t.Callable[[Json], t.Any]]] = {
    "sequence": ("I1", lambda p: p.update(sequence=p["sequence"] + 1)),
    "epoch": ("I1", lambda p: p.update(epoch=p["epoch"] + 1)),
    "stream": ("I1", lambda p: p["streams"].update({"BTC-USD": -1})),
    "stream gone": ("I1", lambda p: p["streams"].clear()),
    "order": ("I3", lambda p: p["orders"]["buckets"].update({"00": "3:spoiled"})),
    "order bucket gone": ("I3", lambda p: p["orders"]["buckets"].popitem()),
    "order count": ("I3", lambda p: p["orders"].update(count=-1)),
    "queue": ("I4", lambda p: p["books"]["BTC-USD"].update(l3_crc32=6)),
    "book": ("I4", lambda p: p["books"]["BTC-USD"].update(sha256="spoiled")),
    "book gone": ("I4", lambda p: p["books"].clear()),
    "account": ("I5", lambda p: p["balances"]["accounts"]["buckets"].update({"01": "3:spoiled"})),
    "balance": ("I5", lambda p: _currency(p).update(available=_currency(p)["available"] + 1)),
    "reserved": ("I5", lambda p: _currency(p).update(reserved=_currency(p)["reserved"] - 1)),
    "needed": ("I5", lambda p: _currency(p).update(needed=_currency(p)["needed"] + 1)),
    "no number": ("I5", lambda p: _currency(p).update(fees="much")),
    "currency gone": ("I5", lambda p: p["balances"]["currencies"].popitem()),
    "trade": ("I6", lambda p: p["trades"].update(count=p["trades"]["count"] + 1)),
    "one leg": ("I6", lambda p: p["trades"].update(one_legged=[9])),
    "bought": ("I6", lambda p: p["trades"]["bought"].update(XRP=1)),
    "pending": ("I6", lambda p: p["trades"].update(pending_sha256="spoiled")),
    "hash": ("I7", lambda p: p.update(state_hash="spoiled")),
    "last price": ("I8", lambda p: p["hidden"].update(last_prices_sha256="spoiled")),
    "stop": ("I8", lambda p: p["hidden"]["stops"].update(sha256="spoiled")),
    "timer": ("I8", lambda p: p["hidden"]["timers"].update(paused=True)),
    "counter": ("I8", lambda p: p["hidden"]["counters"].update(trade=-1)),
    "mode": ("I8", lambda p: p.update(mode="halted")),
}


def _currency(proof: Json) -> Json:
    return t.cast("Json", next(iter(proof["balances"]["currencies"].values())))


def failing(found: t.Iterable[dp.Invariant]) -> set[str]:
    return {one.id for one in found if one.verdict == "fail"}


@given(proofs)
@settings(max_examples=50, deadline=None)
def test_equal_proofs_pass_all(proof: Json) -> None:
    for other in (copy.deepcopy(proof), dp.shortened(proof)):
        found = dp.compare(proof, other)
        assert {one.id: one.verdict for one in found} == dict.fromkeys(
            ("I1", "I3", "I4", "I5", "I6", "I7", "I8"), "pass"
        )
    assert not failing(dp.sound(proof))
    assert not failing(dp.resumed(dp.shortened(proof), {**proof, "mode": "halted"}))


@given(proofs, st.sampled_from(sorted(CORRUPTIONS)), st.booleans(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_corruption_fails_the_invariant_that_names_it(proof: Json, what: str, swapped: bool, short: bool) -> None:
    number, spoil = CORRUPTIONS[what]
    spoiled = copy.deepcopy(proof)
    spoil(spoiled)
    one, other = (spoiled, proof) if swapped else (proof, spoiled)
    found = dp.compare(one, dp.shortened(other) if short else other)
    assert failing(found) == {number}
    wrong = next(one for one in found if one.id == number)
    assert wrong.differences
    assert wrong.to_result()["name"] == dp.NAMES[number]
    assert dp.overall(found, ())[0] == "fail"


@given(proofs, st.sampled_from(["orders", "books", "balances", "trades", "hidden", "state_hash", "streams"]))
@settings(max_examples=30, deadline=None)
def test_what_is_not_said_is_unknown_and_never_passes(proof: Json, field: str) -> None:
    found = dp.compare(proof, {**proof, field: None})
    unknown = {one.id for one in found if one.verdict == "unknown"}
    assert len(unknown) == 1
    assert not failing(found)
    assert dp.overall(found, ())[0] == "unknown"
    assert dp.overall(found, unknown)[0] == "pass"


def test_every_corruption_is_there_for_its_invariant() -> None:
    assert {number for number, _spoil in CORRUPTIONS.values()} == {"I1", "I3", "I4", "I5", "I6", "I7", "I8"}


def test_other_projections_are_not_compared() -> None:
    found = dp.compare({"projection": 1, "sequence": 1}, {"projection": 2, "sequence": 1})
    assert {one.verdict for one in found} == {"unknown"}
    assert "projections differ (1 and 2)" in found[0].sentence


def test_a_list_of_pairs_is_as_good_as_a_mapping() -> None:
    one = {"projection": 1, "orders": {"count": 1, "buckets": {"0a": "1:x"}}}
    other = {"projection": 1, "orders": {"count": 1, "buckets": [["0a", "1:x"]]}}
    assert next(found for found in dp.compare(one, other) if found.id == "I3").verdict == "pass"


def test_amounts_may_be_text() -> None:
    parts = {"available": "0.30", "reserved": "0.10", "owed": "-0.40", "needed": "0.1"}
    proof = {"projection": 1, "balances": {"currencies": {"BTC": parts}, "accounts": "x"}}
    assert dp.sound(proof)[0].verdict == "pass"
    parts["owed"] = "-0.41"
    assert dp.sound(proof)[0].differences[0].what == "sum of BTC there"


def test_what_was_bought_and_never_sold() -> None:
    trades = {"count": 1, "bought": {"BTC": 1, "ETH": 2}, "sold": {"BTC": 1}, "pending": 0}
    found = dp.sound({"projection": 1, "trades": trades})[1]
    assert (found.verdict, [one.what for one in found.differences]) == ("fail", ["ETH there"])


def test_lists_with_names_become_mappings() -> None:
    listed = {
        "books": [{"pair": "BTC-USD", "sha256": "x"}],
        "balances": {"currencies": [{"currency": "USD", "free": 1}]},
    }
    assert dp.canonical(listed) == {
        "books": {"BTC-USD": {"sha256": "x"}},
        "balances": {"currencies": {"USD": {"free": 1}}},
    }


def test_the_lines_behind_a_bucket_are_told_by_id() -> None:
    wrong = dp.Invariant("I3", "fail", "differs", (dp.Difference("bucket 0a", "2:x", "2:y", "orders", "0a"),))
    before = ["o1|BTC|1", "o2|BTC|2"]
    after = ["o2|BTC|2", "o3|BTC|3", {"id": "o4", "price": 1}]
    found = dp.with_items(wrong, {("orders", "0a"): (before, after)})
    assert [item["id"] for item in found.items] == ["o1", "o3", "o4"]
    assert found.sentence == "differs: o1, o3, o4"


def test_two_timers_of_one_kind_are_two() -> None:
    wrong = dp.Invariant("I8", "fail", "differs", (dp.Difference("timers", 1, 2, "timers"),))
    lines = {("timers", None): (["gtd|o1|5", "gtd|o2|6"], ["gtd|o1|5", "gtd|o2|7", "deadman|o1|9"])}
    assert [item["id"] for item in dp.with_items(wrong, lines).items] == ["deadman|o1", "gtd|o2"]


def test_acknowledged_orders_are_in_the_journal() -> None:
    assert dp.acknowledged(40, []).verdict == "pass"
    assert dp.acknowledged(None, None).verdict == "unknown"
    lost = dp.acknowledged(40, [["o7", 12]])
    assert (lost.verdict, lost.differences[0].what) == ("fail", "order o7")


def gateway(websocket: int | None = 50, **fix: tuple[int, int]) -> Gateway:
    return Gateway("core-api-0", websocket=websocket, fix=fix if websocket is not None else None)


def test_sessions_of_a_handover() -> None:
    before = [gateway(A=(10, 20))]
    assert dp.sessions_kept(before, [gateway(A=(11, 20), B=(1, 1))]).verdict == "pass"
    assert dp.sessions_kept(before, [gateway(49, A=(11, 20))]).verdict == "fail"
    assert dp.sessions_kept([gateway(1000)], [gateway(990)]).verdict == "pass"
    assert dp.sessions_kept(before, [gateway(A=(1, 1))]).differences[0].what == "FIX session core-api-0/A"
    assert dp.sessions_kept(before, [gateway()]).verdict == "fail"
    assert dp.sessions_kept([gateway(None)], [gateway(None)]).verdict == "unknown"
    assert dp.sessions_kept([], []).verdict == "unknown"


def test_sessions_of_a_full_drain() -> None:
    assert dp.sessions_closed([gateway(A=(1, 1))], []).sentence == "51 sessions ended as they should"
    assert dp.sessions_closed([gateway()], ["FIX3"]).verdict == "fail"
    assert dp.sessions_closed([gateway()], None).verdict == "unknown"


@given(proofs)
@settings(max_examples=20, deadline=None)
def test_coming_back(proof: Json) -> None:
    expected = dp.shortened(proof)
    opened = {**proof, "sequence": proof["sequence"] + 1, "epoch": proof["epoch"] + 1, "state_hash": "other"}
    assert not failing(dp.resumed(expected, opened))
    assert {one.verdict for one in dp.resumed(expected, opened)} == {"pass"}
    lost = copy.deepcopy(opened)
    lost["orders"]["buckets"].popitem()
    assert failing(dp.resumed(expected, lost)) == {"I3"}
    assert failing(dp.resumed(expected, {**proof, "sequence": proof["sequence"] - 1})) == {"I1"}
    later = dp.resumed(expected, {**proof, "sequence": proof["sequence"] + 2})
    assert (later[0].verdict, failing(later)) == ("unknown", set())
