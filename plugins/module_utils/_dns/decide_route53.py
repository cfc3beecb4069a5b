# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Route 53's record sets and refusals mean, and the batch that changes weights. Pure.

The region of a member is the SetIdentifier of its record set: a region's record is found by its name and nothing else.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import JsonObject, Member, WeightedSet

SYSTEM: t.Final = "route53"
LARGEST_WEIGHT: t.Final = 255
#: An alias has the TTL of its target. That of AWS' own targets is 60 s; the record of an alias does not tell.
ALIAS_TTL_S: t.Final = 60
#: Route 53 takes an endpoint for healthy when more than this share of its checkers do.
_HEALTHY_SHARE: t.Final = 0.18
#: What stands in a record set of another routing policy.
_OTHER_POLICIES: t.Final = {
    "Region": "latency",
    "GeoLocation": "geolocation",
    "GeoProximityLocation": "geoproximity",
    "Failover": "failover",
    "MultiValueAnswer": "multivalue",
    "CidrRoutingConfig": "IP-based",
}
#: Names stand in quotes in Route 53's sentences, and may have any word in them.
_QUOTED: t.Final = re.compile(r"\[name='[^\]]*\]")
_CHANGED: t.Final = ("was not found", "do not match the current values", "already exists")
_LONGEST_TEXT: t.Final = 500


def absolute(name: str) -> str:
    """A name as Route 53 compares it: small letters, with a dot at its end, and characters instead of octal codes
    (a wildcard is written as \\052)."""
    plain = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), name)
    return plain.rstrip(".").lower() + "."


def owner_names(name: str, kind: str) -> tuple[str, ...]:
    """Where external-dns writes whose the records of that name are, beside the name itself. It takes an alias of type A
    or AAAA for a CNAME in some of its versions."""
    return tuple(f"{prefix}-{absolute(name)}" for prefix in dict.fromkeys((kind.lower(), "cname")))


def owner_of(records: Iterable[JsonObject]) -> str | None:
    """The text of external-dns in one of the TXT records, None when there is none."""
    texts = (
        str(entry["Value"]).strip('"')
        for record in records
        if record["Type"] == "TXT"
        for entry in record.get("ResourceRecords", ())
    )
    return next((text for text in texts if text.startswith("heritage=")), None)


def read_set(name: str, kind: str, records: Iterable[JsonObject], owner: str | None) -> WeightedSet | None:
    """The set in the records of its name; None when there is none. Raises ReleaseError of kind `not_weighted`."""
    of_name = [record for record in records if absolute(record["Name"]) == absolute(name)]
    found = [record for record in of_name if record["Type"] == kind]
    if not found:
        other = {"CNAME"} if kind != "CNAME" else {"A", "AAAA"}
        beside = sorted(other & {record["Type"] for record in of_name})
        if beside:
            raise _not_weighted(name, kind, f"the name has a record of type {beside[0]}")
        return None
    for record in found:
        if "TrafficPolicyInstanceId" in record:
            raise _not_weighted(name, kind, "a traffic policy of Route 53 writes it")
        if "Weight" not in record:
            policy = next((words for field, words in _OTHER_POLICIES.items() if field in record), "simple")
            raise _not_weighted(name, kind, f"its routing policy is {policy}")
    raw = sorted(found, key=lambda record: str(record["SetIdentifier"]))
    ttls = {str(record["SetIdentifier"]): int(record.get("TTL", ALIAS_TTL_S)) for record in raw}
    return WeightedSet(absolute(name), kind, tuple(map(_member, raw)), ttls, owner, raw)


def all_weights(before: WeightedSet, after: Mapping[str, int]) -> dict[str, int]:
    """The weight of every region; those that `after` does not name keep theirs. Raises OptionError."""
    unknown = sorted(after.keys() - before.weights.keys())
    if unknown:
        raise OptionError("weights", f"{before.name} has no region {unknown[0]}")
    for region, weight in after.items():
        if not 0 <= weight <= LARGEST_WEIGHT:
            raise OptionError("weights", f"{region}: {weight} is not from 0 to {LARGEST_WEIGHT}")
    return {**before.weights, **after}


def changes(before: WeightedSet, after: Mapping[str, int]) -> list[JsonObject]:
    """The changes of the batch that gives these weights. Raises OptionError.

    Route 53 deletes exactly what it is shown, or refuses the whole batch. So each record is deleted as it was read and
    created with its new weight, all fields that we do not know included. Also a record whose weight stays: what was
    decided counts on it, and a region that somebody has just taken out has to stop the batch.
    """
    weights = all_weights(before, after)
    if before.raw is None:
        return [_change("CREATE", _composed(before, member, weights)) for member in before.members]
    new = [{**record, "Weight": weights[record["SetIdentifier"]]} for record in before.raw]
    return [
        *(_change("DELETE", record) for record in before.raw),
        *(_change("CREATE", record) for record in new),
    ]


def again(sent: Sequence[JsonObject]) -> list[JsonObject]:
    """The batch that changes nothing where that one has been carried out: its answer was lost, and with it the id by
    which Route 53 tells when a change is everywhere."""
    new = [change["ResourceRecordSet"] for change in sent if change["Action"] == "CREATE"]
    return [*(_change("DELETE", record) for record in new), *(_change("CREATE", record) for record in new)]


def created(sent: Sequence[JsonObject]) -> list[JsonObject]:
    """The records that are there when the batch has been carried out, as `read_set` sorts them."""
    new = [change["ResourceRecordSet"] for change in sent if change["Action"] == "CREATE"]
    return sorted(new, key=lambda record: str(record["SetIdentifier"]))


def refusal(messages: Sequence[str]) -> ReleaseError:
    """An InvalidChangeBatch: the set is another one than was read (`conflict`), or it may not be written so."""
    text = "; ".join(messages)[:_LONGEST_TEXT]
    plain = [_QUOTED.sub("", message).lower() for message in messages]
    # First: the comment of a protection is free text.
    if any("protect" in message for message in plain):
        problem = f"a resource record set protection stands in the way, delete it first or leave the set alone: {text}"
        return ReleaseError(f"Route 53 refuses the batch: {problem}", kind="refused", system=SYSTEM)
    if any(words in message for message in plain for words in _CHANGED):
        problem = f"the set was changed since it was read, nothing was written: {text}"
        return ReleaseError(problem, kind="conflict", system=SYSTEM)
    return ReleaseError(f"Route 53 refuses the batch: {text}", kind="refused", system=SYSTEM)


def is_healthy(config: Mapping[str, t.Any], statuses: Sequence[str]) -> bool | None:
    """What Route 53 makes of a health check with these reports of its checkers, None when that cannot be known."""
    if config.get("Disabled"):
        up: bool | None = True
    elif statuses:
        up = sum(status.startswith("Success") for status in statuses) / len(statuses) > _HEALTHY_SHARE
    else:
        up = None
    return up if up is None or not config.get("Inverted") else not up


def has_checkers(config: Mapping[str, t.Any]) -> bool:
    """Whether Route 53's checkers ask an endpoint. The status of other health checks is not to be had by the API."""
    return str(config.get("Type", "")).startswith(("HTTP", "TCP"))


def _member(record: JsonObject) -> Member:
    alias = record.get("AliasTarget")
    return Member(
        region=str(record["SetIdentifier"]),
        weight=int(record["Weight"]),
        targets=tuple(str(entry["Value"]) for entry in record.get("ResourceRecords", ())),
        alias=None if alias is None else str(alias["DNSName"]),
        health=record.get("HealthCheckId"),
    )


def _composed(before: WeightedSet, member: Member, weights: Mapping[str, int]) -> JsonObject:
    """A record of a set that is not there yet."""
    record: JsonObject = {
        "Name": absolute(before.name),
        "Type": before.type,
        "SetIdentifier": member.region,
        "Weight": weights[member.region],
        "TTL": before.ttls[member.region],
        "ResourceRecords": [{"Value": target} for target in member.targets],
    }
    return record if member.health is None else {**record, "HealthCheckId": member.health}


def _change(action: str, record: JsonObject) -> JsonObject:
    return {"Action": action, "ResourceRecordSet": record}


def _not_weighted(name: str, kind: str, why: str) -> ReleaseError:
    return ReleaseError(f"{name} {kind} is no weighted set: {why}", kind="not_weighted", system=SYSTEM)
