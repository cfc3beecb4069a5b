# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two proofs of one book, and whether anything is lost between them. Pure.

A proof is the canonical projection of an engine at one sequence number. Large things in it are digests by bucket; the
lines behind a bucket are asked for only where two digests differ.
"""

from __future__ import annotations

import dataclasses
import decimal
import hashlib
import json
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain.status import Gateway

JsonObject = dict[str, t.Any]
Proof = Mapping[str, t.Any]
Verdict = t.Literal["pass", "fail", "unknown"]

NAMES: t.Final = {
    "I1": "sequence",
    "I2": "acknowledgements",
    "I3": "open orders",
    "I4": "book checksums",
    "I5": "balances",
    "I6": "trades and settlement",
    "I7": "state hash",
    "I8": "hidden state",
    "I9": "sessions",
}
#: A result is read by people, and a broken book may differ in every line.
MOST_TOLD: t.Final = 20
#: What a WebSocket client does by itself meanwhile: this share of the sessions may be gone.
_COME_AND_GO: t.Final = 0.01


@dataclasses.dataclass(frozen=True)
class Difference:
    """Something that is not the same, and where the lines behind it are: `kind` and `bucket` of `items`."""

    what: str
    before: t.Any
    after: t.Any
    kind: str = ""
    bucket: str | None = None


@dataclasses.dataclass(frozen=True)
class Invariant:
    """One invariant and its verdict, with a sentence that says why."""

    id: str
    verdict: Verdict
    sentence: str
    differences: tuple[Difference, ...] = ()
    #: The lines that differ, where they were asked for.
    items: tuple[JsonObject, ...] = ()

    def to_result(self) -> JsonObject:
        told = [{"what": one.what, "before": one.before, "after": one.after} for one in self.differences[:MOST_TOLD]]
        return {
            "id": self.id,
            "name": NAMES[self.id],
            "verdict": self.verdict,
            "sentence": self.sentence,
            "differences": told,
            "items": list(self.items[:MOST_TOLD]),
        }


def compare(before: Proof, after: Proof) -> list[Invariant]:
    """I1 and I3 to I8 of two proofs at the same point. What one of them does not hold is unknown."""
    one, other = before.get("projection"), after.get("projection")
    if one != other:
        sentence = f"the projections differ ({one} and {other}), so nothing can be compared"
        return [Invariant(number, "unknown", sentence) for number in ("I1", "I3", "I4", "I5", "I6", "I7", "I8")]
    return [
        _equal("I1", before, after, ("epoch", "sequence", "streams"), f"both are at sequence {before.get('sequence')}"),
        _orders(before, after),
        _equal("I4", before, after, ("books",), f"{len(before.get('books') or ())} books have the same checksums"),
        _balances(before, after),
        _trades(before, after),
        _equal("I7", before, after, ("state_hash",), f"both have state hash {str(before.get('state_hash'))[:16]}"),
        _equal("I8", before, after, ("hidden", "mode"), "last prices, stops, timers, counters and mode are the same"),
    ]


def resumed(expected: Proof, live: Proof) -> list[Invariant]:
    """The engine that comes back against the proof of the drain. Opening an epoch is one event, and no more may have
    been made: after cancels the two books are of different moments, and only what adds up by itself is known."""
    one, other = expected.get("sequence"), live.get("sequence")
    if not isinstance(one, int) or not isinstance(other, int) or not one <= other <= one + 1:
        if isinstance(one, int) and isinstance(other, int) and other < one:
            gone = Difference("sequence", one, other)
            sentence = f"the last {one - other} events are gone"
            return [Invariant("I1", "fail", sentence, (gone,)), *sound(live)]
        return [not_seen("I1", f"expected sequence {one}, and the engine is at {other}"), *sound(live)]
    # An event more is another hash and another epoch, and the mode is what the way back changes.
    moved = {key: live.get(key) for key in ("epoch", "sequence", "state_hash")} if other != one else {}
    return compare({**expected, **moved, "mode": live.get("mode")}, live)


def sound(proof: Proof) -> list[Invariant]:
    """What one proof says by itself: balances that add up, and trades with both legs."""
    return [_balances(proof, proof), _trades(proof, proof)]


def acknowledged(given: int | None, missing: Sequence[t.Any] | None) -> Invariant:
    """I2. `given` is how many acknowledged orders the gateways know, `missing` those that the journal does not have."""
    if given is None or missing is None:
        return Invariant("I2", "unknown", "gateways or engine do not say which orders were acknowledged")
    if missing:
        differences = tuple(
            Difference(f"order {_first(order)}", "acknowledged", "not in the journal") for order in missing
        )
        return Invariant(
            "I2", "fail", f"{len(missing)} of {given} acknowledged orders are not in the journal", differences
        )
    return Invariant("I2", "pass", f"all of the {given} newest acknowledged orders are in the journal")


def sessions_kept(before: Sequence[Gateway], after: Sequence[Gateway]) -> Invariant:
    """I9 of a handover: nobody was disconnected, and no FIX session counts anew."""
    if not after or not all(gateway.sessions is not None for gateway in (*before, *after)):
        return Invariant("I9", "unknown", "the gateways do not say which sessions they have")
    differences: list[Difference] = []
    had, have = (sum(gateway.websocket or 0 for gateway in side) for side in (before, after))
    if had - have > int(had * _COME_AND_GO):
        differences.append(Difference("WebSocket sessions", had, have))
    fix_before, fix_after = _fix(before), _fix(after)
    for session, numbers in fix_before.items():
        now = fix_after.get(session)
        if now is None or now[0] < numbers[0] or now[1] < numbers[1]:
            differences.append(Difference(f"FIX session {session}", list(numbers), now and list(now)))
    if differences:
        told = ", ".join(one.what for one in differences[:3])
        return Invariant("I9", "fail", f"dropped or counting anew: {told}", tuple(differences))
    return Invariant("I9", "pass", f"{have} WebSocket and {len(fix_before)} FIX sessions are still there")


def sessions_closed(before: Sequence[Gateway], left: Sequence[str] | None) -> Invariant:
    """I9 of a full drain: every session has ended as its protocol wants it."""
    if left is None:
        return Invariant("I9", "unknown", "the gateways do not say which sessions they closed")
    if left:
        differences = tuple(Difference(f"session {session}", "open", "did not answer") for session in left)
        return Invariant("I9", "fail", f"{len(left)} sessions did not end in time: {', '.join(left[:5])}", differences)
    had = sum(gateway.sessions or 0 for gateway in before)
    return Invariant("I9", "pass", f"{had} sessions ended as they should")


def not_seen(number: str, why: str) -> Invariant:
    return Invariant(number, "unknown", why)


def with_items(
    invariant: Invariant, found: Mapping[tuple[str, str | None], tuple[Iterable[t.Any], Iterable[t.Any]]]
) -> Invariant:
    """The same with the lines that differ, from the lines of both sides by (kind, bucket)."""
    items: list[JsonObject] = []
    for one in invariant.differences:
        if one.kind and (one.kind, one.bucket) in found:
            items += _differing(one.kind, *found[one.kind, one.bucket])
    if not items:
        return invariant
    told = ", ".join(str(item["id"]) for item in items[:5])
    return dataclasses.replace(invariant, sentence=f"{invariant.sentence}: {told}", items=tuple(items))


def overall(invariants: Sequence[Invariant], allow_unknown: t.Collection[str]) -> tuple[Verdict, str]:
    """The verdict over all, and one sentence."""
    failed = [one for one in invariants if one.verdict == "fail"]
    unknown = [one for one in invariants if one.verdict == "unknown" and one.id not in allow_unknown]
    for verdict, found in (("fail", failed), ("unknown", unknown)):
        if found:
            told = "; ".join(f"{one.id} {NAMES[one.id]}: {one.sentence}" for one in found)
            return t.cast("Verdict", verdict), told
    passed = sum(one.verdict == "pass" for one in invariants)
    return "pass", f"{passed} invariants hold, {len(invariants) - passed} were not asked for"


def canonical(proof: Proof) -> JsonObject:
    """The proof in one shape. JMESPath cannot make a mapping whose keys come out of the answer, so books may be a list
    with `pair` and currencies a list with `currency`."""
    found = dict(proof)
    found["books"] = _by_name(proof.get("books"), "pair")
    balances = proof.get("balances")
    if isinstance(balances, Mapping):
        found["balances"] = {**balances, "currencies": _by_name(balances.get("currencies"), "currency")}
    return found


def _by_name(value: t.Any, name: str) -> t.Any:
    if not isinstance(value, list):
        return value
    return {str(one[name]): {key: part for key, part in one.items() if key != name} for one in value}


def shortened(proof: Proof) -> JsonObject:
    """A proof without its buckets, for a result: one digest stands for them, and compares as they do."""
    short = dict(proof)
    if isinstance(proof.get("orders"), Mapping):
        short["orders"] = _short(proof["orders"])
    balances = proof.get("balances")
    if isinstance(balances, Mapping) and isinstance(balances.get("accounts"), Mapping):
        short["balances"] = {**balances, "accounts": _short(balances["accounts"])}
    return short


def _short(part: Mapping[str, t.Any]) -> JsonObject:
    buckets = _buckets(part)
    if buckets is None:
        return dict(part)
    text = "\n".join(f"{name}={entry}" for name, entry in sorted(buckets.items()))
    kept = {key: value for key, value in part.items() if key == "count"}
    return {**kept, "digest": hashlib.sha256(text.encode()).hexdigest()}


def _buckets(part: Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """Bucket -> digest. A mapping of an exchange that cannot make such keys gives pairs. None for a shortened one."""
    if "digest" in part:
        return None
    inner = part.get("buckets", part)
    if isinstance(inner, list):
        return {str(name): entry for name, entry in inner}
    return (
        {str(name): entry for name, entry in inner.items() if name != "count"} if isinstance(inner, Mapping) else None
    )


def _equal(number: str, before: Proof, after: Proof, fields: Sequence[str], good: str) -> Invariant:
    """Pass when these fields are the same in both. Inside a mapping the differing entries are told one by one."""
    missing = [field for field in fields if before.get(field) is None or after.get(field) is None]
    differences: list[Difference] = []
    for field in fields:
        if field not in missing:
            differences += _diff(field, before[field], after[field])
    return _verdict(number, differences, missing, good)


def _verdict(number: str, differences: Sequence[Difference], missing: Sequence[str], good: str) -> Invariant:
    if differences:
        told = ", ".join(one.what for one in differences[:3])
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        return Invariant(number, "fail", f"differs: {told}{more}", tuple(differences))
    if missing:
        return Invariant(number, "unknown", f"not in both proofs: {', '.join(missing)}")
    return Invariant(number, "pass", good)


def _diff(what: str, before: t.Any, after: t.Any) -> list[Difference]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return [
            one
            for key in sorted({*map(str, before), *map(str, after)})
            for one in _diff(f"{what}.{key}", before.get(key), after.get(key))
        ]
    kind = {"hidden.stops": "stops", "hidden.timers": "timers"}.get(what.rpartition(".")[0], "")
    return [] if before == after else [Difference(what, before, after, kind)]


def _by_bucket(what: str, kind: str, before: Mapping[str, t.Any], after: Mapping[str, t.Any]) -> list[Difference]:
    one, other = _buckets(before), _buckets(after)
    if one is None or other is None:
        # At least one of them is shortened: then both are compared so.
        return _diff(what, _short(before), _short(after))
    return [
        Difference(f"{what} bucket {bucket}", one.get(bucket), other.get(bucket), kind, bucket)
        for bucket in sorted({*one, *other})
        if one.get(bucket) != other.get(bucket)
    ]


def _orders(before: Proof, after: Proof) -> Invariant:
    one, other = before.get("orders"), after.get("orders")
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return _verdict("I3", [], ["orders"], "")
    differences = _by_bucket("open orders", "orders", one, other)
    if one.get("count") != other.get("count"):
        differences.insert(0, Difference("number of open orders", one.get("count"), other.get("count")))
    return _verdict("I3", differences, [], f"{one.get('count')} open orders are the same")


def _balances(before: Proof, after: Proof) -> Invariant:
    one, other = before.get("balances"), after.get("balances")
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return _verdict("I5", [], ["balances"], "")
    currencies = [_currencies(side) for side in (one, other)]
    differences = _diff("balances", *currencies)
    if isinstance(one.get("accounts"), Mapping) and isinstance(other.get("accounts"), Mapping):
        differences += _by_bucket("accounts", "accounts", one["accounts"], other["accounts"])
    elif one.get("accounts") != other.get("accounts"):
        differences.append(Difference("accounts", one.get("accounts"), other.get("accounts")))
    for side, found in zip(("before", "after") if one is not other else ("there",), currencies, strict=False):
        differences += _unbalanced(side, found)
    missing = [] if one.get("currencies") is not None and other.get("currencies") is not None else ["balances"]
    return _verdict("I5", differences, missing, f"{len(currencies[0])} currencies add up to 0 and are the same")


def _currencies(balances: Mapping[str, t.Any]) -> JsonObject:
    found = balances.get("currencies") or {}
    return {str(name): dict(parts) for name, parts in found.items() if isinstance(parts, Mapping)}


def _unbalanced(side: str, currencies: Mapping[str, Mapping[str, t.Any]]) -> list[Difference]:
    """What does not add up on one side. Every exchange has its own buckets besides `sum` and `needed`."""
    found: list[Difference] = []
    for name, parts in currencies.items():
        amounts = {key: _number(value) for key, value in parts.items()}
        total = sum(value for key, value in amounts.items() if key not in ("sum", "needed"))
        if total != 0 or amounts.get("sum", total) != total:
            found.append(Difference(f"sum of {name} {side}", 0, parts.get("sum", str(total))))
        if "needed" in amounts and amounts["needed"] != amounts.get("reserved"):
            found.append(Difference(f"{name} reserved {side}", parts["needed"], parts.get("reserved")))
    return found


def _number(value: t.Any) -> decimal.Decimal:
    """Amounts may come as text, so that no floating point is between them and us. What is no number is not 0."""
    try:
        return decimal.Decimal(str(value))
    except decimal.InvalidOperation:
        return decimal.Decimal("NaN")


def _trades(before: Proof, after: Proof) -> Invariant:
    one, other = before.get("trades"), after.get("trades")
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return _verdict("I6", [], ["trades"], "")
    plain = [{key: value for key, value in side.items() if key != "one_legged"} for side in (one, other)]
    # Which of many is not the same has to be looked for among the lines.
    differences = [dataclasses.replace(found, kind="trades") for found in _diff("trades", *plain)]
    for side, found in zip(("before", "after") if one is not other else ("there",), (one, other), strict=False):
        differences += [
            Difference(f"trade {trade} {side}", "two legs", "one leg") for trade in found.get("one_legged") or ()
        ]
        differences += [
            Difference(f"{currency} {side}", f"bought {(found.get('bought') or {}).get(currency)}", f"sold {sold}")
            for currency, sold in _sums(found)
            if _number((found.get("bought") or {}).get(currency)) != _number(sold)
        ]
    return _verdict(
        "I6",
        differences,
        [],
        f"{one.get('count')} trades have both legs, {one.get('pending')} of them are not settled yet",
    )


def _sums(trades: Mapping[str, t.Any]) -> list[tuple[str, t.Any]]:
    """What was sold of every currency that anybody bought or sold."""
    bought, sold = trades.get("bought") or {}, trades.get("sold") or {}
    return [(str(currency), sold.get(currency)) for currency in sorted({*bought, *sold})]


def _differing(kind: str, before: Iterable[t.Any], after: Iterable[t.Any]) -> list[JsonObject]:
    """The lines that are not in both, by what they begin with."""
    one, other = ({_id(kind, line): _line(line) for line in side} for side in (before, after))
    return [
        {"kind": kind, "id": name, "before": one.get(name), "after": other.get(name)}
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    ]


def _line(line: t.Any) -> str:
    return line if isinstance(line, str) else json.dumps(line, sort_keys=True)


def _id(kind: str, line: t.Any) -> str:
    if isinstance(line, Mapping):
        return str(line.get("id"))
    # An order may have a timer, and so may an account: the first word says which.
    return "|".join(str(line).split("|")[: 2 if kind == "timers" else 1])


def _first(order: t.Any) -> str:
    return str(order[0]) if isinstance(order, list | tuple) and order else str(order)


def _fix(gateways: Sequence[Gateway]) -> dict[str, tuple[int, int]]:
    return {f"{one.name}/{name}": numbers for one in gateways for name, numbers in (one.fix or {}).items()}
