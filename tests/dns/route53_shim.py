# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Route 53's documented rules in front of a moto server, which stores the zones and keeps hardly any of them.

What is checked here: the limits of requests, one change of a zone at a time, PENDING before INSYNC, exact DELETEs, no
CREATE of what exists, weights from 0 to 255, one TTL in a weighted set, no other routing policy beside weights, at most
100 sets of a name and type, protections, pages within a set, and the status of health checks.
"""

from __future__ import annotations

import dataclasses
import http.client
import re
import threading
import time
import typing as t
import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from fault_proxy import reset
from small_api import Site, send

Record = dict[str, t.Any]
Key = tuple[str, str, str]

XMLNS: t.Final = "https://route53.amazonaws.com/doc/2013-04-01/"
HEALTHY: t.Final = "Success: HTTP Status Code 200, OK"
_LARGEST_SET: t.Final = 100
_LARGEST_BATCH: t.Final = 1000
_PAGE: t.Final = 300
_LISTS: t.Final = {"ResourceRecords": "ResourceRecord"}


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@dataclasses.dataclass
class Bucket:
    """A token bucket of the service. Counts what it lets through and what it does not."""

    per_s: float
    burst: float
    allowed: int = 0
    throttled: int = 0
    clock: t.Callable[[], float] = time.monotonic
    tokens: float = dataclasses.field(init=False)
    at: float = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.tokens, self.at = self.burst, self.clock()

    def take(self) -> None:
        now = self.clock()
        self.tokens = min(self.burst, self.tokens + self.per_s * (now - self.at))
        self.at = now
        if self.tokens < 1:
            self.throttled += 1
            raise Refusal("Throttling", "Rate exceeded")
        self.tokens -= 1
        self.allowed += 1


class Route53Shim(Site):
    """Serves on `url`. What tests set is public."""

    def __init__(self, moto_port: int) -> None:
        self._moto_port = moto_port
        self._arriving = threading.Lock()
        self._one = threading.Lock()
        #: Questions about each change that are answered with PENDING.
        self.pending_polls = 1
        #: Refuse a change of a zone that has one which is not INSYNC yet.
        self.one_change_at_a_time = False
        self.account = Bucket(10, 50)
        self.health_limit = Bucket(1, 4)
        #: What the checkers of a health check say, by its id.
        self.health: dict[str, list[str]] = {}
        #: (name, type) -> comment of its protection.
        self.protected: dict[tuple[str, str], str] = {}
        #: What happens to the next changes, first to last: "lost" (carried out without an answer), "dropped" (neither),
        #: or "503".
        self.spoil: list[str] = []
        #: (operation, code of the error or empty) of each request.
        self.log: list[tuple[str, str]] = []
        #: Change -> (zone, questions that are still answered with PENDING).
        self._changes: dict[str, tuple[str, int]] = {}
        super().__init__()

    def asked(self, operation: str) -> int:
        return sum(one == operation for one, _code in self.log)

    def settle(self) -> None:
        """All changes are everywhere."""
        self._changes = {change: (zone, 0) for change, (zone, _left) in self._changes.items()}

    # -- HTTP

    def serve(self, handler: t.Any) -> None:
        path = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(path.query))
        parts = path.path.strip("/").split("/")[1:]
        operation, act = self._operation(handler, parts, query)
        try:
            # On arrival: requests that wait for moto one after the other would look slower than they were sent.
            with self._arriving:
                self.account.take()
            with self._one:
                status, body = act()
        except Refusal as refused:
            self.log.append((operation, refused.code))
            status, body = refused.status, _error(refused)
        except ConnectionAbortedError:
            self.log.append((operation, "no answer"))
            reset(handler, self)
            return
        else:
            self.log.append((operation, ""))
        send(handler, status, body, Content_Type="text/xml")

    def _operation(self, handler: t.Any, parts: list[str], query: dict[str, str]) -> tuple[str, t.Callable[[], t.Any]]:
        if parts[0] == "hostedzone" and parts[-1] == "rrset":
            if handler.command == "POST":
                return "ChangeResourceRecordSets", lambda: self._change(handler, parts[1])
            return "ListResourceRecordSets", lambda: self._list(handler, parts[1], query)
        if parts[0] == "change":
            return "GetChange", lambda: self._get_change(parts[1])
        if parts[0] == "healthcheck" and parts[-1] == "status":
            return "GetHealthCheckStatus", lambda: self._health_status(parts[1])
        return "other", lambda: self._moto(handler, handler.command, handler.path, handler.body)

    def _moto(self, handler: t.Any, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        # Moto knows by the credentials' scope which service is meant.
        headers = {name: handler.headers[name] for name in ("Authorization", "X-Amz-Date") if handler.headers[name]}
        upstream = http.client.HTTPConnection("127.0.0.1", self._moto_port, timeout=60)
        try:
            upstream.request(method, path, body, headers)
            answer = upstream.getresponse()
            return answer.status, answer.read()
        finally:
            upstream.close()

    # -- operations

    def _list(self, handler: t.Any, zone: str, query: dict[str, str]) -> tuple[int, bytes]:
        """Moto knows no StartRecordIdentifier and does not sort by it: asked for whole sets, cut here."""
        most = min(_PAGE, int(query.get("maxitems", _PAGE)))
        start = {name: value for name, value in query.items() if name in ("name", "type")}
        if "type" in start and "name" not in start:
            raise Refusal("InvalidInput", "The input is not valid")
        found = _in_order(self._stored(handler, zone, most + _LARGEST_SET + 1, **start))
        if "identifier" in query:
            first = (query["name"], query["type"], query["identifier"])
            found = [
                record for record in found if _key(record)[:2] != _key_of(*first)[:2] or _key(record)[2] >= first[2]
            ]
        root = ET.Element("ListResourceRecordSetsResponse", xmlns=XMLNS)
        sets = ET.SubElement(root, "ResourceRecordSets")
        for record in found[:most]:
            sets.append(_written(record))
        ET.SubElement(root, "IsTruncated").text = "true" if len(found) > most else "false"
        for record in found[most : most + 1]:
            ET.SubElement(root, "NextRecordName").text = record["Name"]
            ET.SubElement(root, "NextRecordType").text = record["Type"]
            if "SetIdentifier" in record:
                ET.SubElement(root, "NextRecordIdentifier").text = record["SetIdentifier"]
        ET.SubElement(root, "MaxItems").text = str(most)
        return 200, ET.tostring(root)

    def _change(self, handler: t.Any, zone: str) -> tuple[int, bytes]:
        spoil = self.spoil.pop(0) if self.spoil else ""
        if spoil == "dropped":
            raise ConnectionAbortedError
        if spoil == "503":
            raise Refusal("ServiceUnavailable", "Service is unavailable", 503)
        if self.one_change_at_a_time and any(left for of, left in self._changes.values() if of == zone):
            raise Refusal("PriorRequestNotComplete", "The request was rejected because a prior one is being processed.")
        asked = list(_changes_in(handler.body))
        if sum(len(record.get("ResourceRecords", ())) for _action, record in asked) > _LARGEST_BATCH:
            raise Refusal("InvalidChangeBatch", "[Number of records limit of 1000 exceeded.]")
        before: dict[Key, Record] = {}
        for name in {record["Name"] for _action, record in asked}:
            found = self._stored(handler, zone, _PAGE, name=name)
            before |= {_key(record): record for record in found if _name(record["Name"]) == _name(name)}
        after = self._judged(before, asked)
        self._store(handler, zone, before, after)
        change = f"C{len(self._changes):013d}"
        self._changes[change] = (zone, self.pending_polls)
        if spoil == "lost":
            raise ConnectionAbortedError
        return 200, _change_info("ChangeResourceRecordSetsResponse", change, pending=True)

    def _get_change(self, change: str) -> tuple[int, bytes]:
        if change not in self._changes:
            raise Refusal("NoSuchChange", f"Could not find resource with ID: {change}", 404)
        zone, left = self._changes[change]
        self._changes[change] = (zone, max(0, left - 1))
        return 200, _change_info("GetChangeResponse", change, pending=left > 0)

    def _health_status(self, check: str) -> tuple[int, bytes]:
        self.health_limit.take()
        if check not in self.health:
            raise Refusal("NoSuchHealthCheck", f"A health check with id {check} does not exist.", 404)
        root = ET.Element("GetHealthCheckStatusResponse", xmlns=XMLNS)
        observations = ET.SubElement(root, "HealthCheckObservations")
        for number, status in enumerate(self.health[check]):
            one = ET.SubElement(observations, "HealthCheckObservation")
            ET.SubElement(one, "Region").text = "us-east-1"
            ET.SubElement(one, "IPAddress").text = f"192.0.2.{number}"
            report = ET.SubElement(one, "StatusReport")
            ET.SubElement(report, "Status").text = status
            ET.SubElement(report, "CheckedTime").text = "2026-01-01T00:00:00.000Z"
        return 200, ET.tostring(root)

    # -- rules

    def _judged(self, before: dict[Key, Record], asked: list[tuple[str, Record]]) -> dict[Key, Record]:
        """What is there when all changes are made. Raises Refusal: then none is."""
        after = dict(before)
        problems: list[str] = []
        for action, record in asked:
            _check_input(record)
            comment = self.protected.get((_name(record["Name"]), record["Type"]))
            if comment is not None:
                problems.append(f"Resource record set {_title(record)} is protected. Comment: {comment}")
            elif action == "DELETE":
                problems += _deleted(after, record)
            else:
                problems += _created(after, record, action)
        if problems:
            raise Refusal("InvalidChangeBatch", f"[{', '.join(problems)}]")
        return after

    def _stored(self, handler: t.Any, zone: str, most: int, **start: str) -> list[Record]:
        path = f"/2013-04-01/hostedzone/{zone}/rrset?{urllib.parse.urlencode({**start, 'maxitems': most})}"
        status, body = self._moto(handler, "GET", path)
        if status != 200:
            raise Refusal("NoSuchHostedZone", f"No hosted zone found with ID: {zone}", status)
        return [_read(one) for one in ET.fromstring(body).iter(f"{{{XMLNS}}}ResourceRecordSet")]

    def _store(self, handler: t.Any, zone: str, before: dict[Key, Record], after: dict[Key, Record]) -> None:
        """Moto deletes every record set of that identifier in the zone: the others are made again."""
        gone = [record for key, record in before.items() if key not in after]
        written = [record for key, record in after.items() if before.get(key) != record]
        identifiers = {record["SetIdentifier"] for record in gone if "SetIdentifier" in record}
        if identifiers:
            everything = self._stored(handler, zone, 100_000)
            names = {_key(record)[:1] for record in gone}
            written += [
                one for one in everything if one.get("SetIdentifier") in identifiers and _key(one)[:1] not in names
            ]
            written += [record for record in after.values() if record.get("SetIdentifier") in identifiers]
        root = ET.Element("ChangeResourceRecordSetsRequest", xmlns=XMLNS)
        changes = ET.SubElement(ET.SubElement(root, "ChangeBatch"), "Changes")
        for action, records in (("DELETE", gone), ("UPSERT", written)):
            for record in records:
                change = ET.SubElement(changes, "Change")
                ET.SubElement(change, "Action").text = action
                change.append(_written(record))
        if len(changes):
            path = f"/2013-04-01/hostedzone/{zone}/rrset/"
            status, body = self._moto(handler, "POST", path, ET.tostring(root))
            if status != 200:
                raise RuntimeError(f"moto refuses what the shim allows: {body.decode()}")


def _check_input(record: Record) -> None:
    weight = record.get("Weight")
    if weight is not None and not 0 <= weight <= 255:
        raise Refusal("InvalidInput", f"Invalid XML ; Value '{weight}' is not facet-valid for type 'RRSetWeight'.")
    if (weight is None) != ("SetIdentifier" not in record):
        raise Refusal("InvalidInput", f"Invalid request: Missing field in Change with {_title(record)}")
    if ("AliasTarget" in record) == ("ResourceRecords" in record and "TTL" in record):
        raise Refusal(
            "InvalidInput", "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords]]"
        )


def _deleted(after: dict[Key, Record], record: Record) -> Iterator[str]:
    found = after.get(_key(record))
    if found is None:
        yield f"Tried to delete resource record set {_title(record)} but it was not found"
    elif _comparable(found) != _comparable(record):
        yield (
            f"Tried to delete resource record set {_title(record)} "
            "but the values provided do not match the current values"
        )
    else:
        del after[_key(record)]


def _created(after: dict[Key, Record], record: Record, action: str) -> Iterator[str]:
    if action == "CREATE" and _key(record) in after:
        yield f"Tried to create resource record set {_title(record)} but it already exists"
        return
    beside = [one for key, one in after.items() if key[:2] == _key(record)[:2] and key != _key(record)]
    about = f"RRSet with DNS name {record['Name']}, type {record['Type']}"
    if "SetIdentifier" in record:
        about += f", SetIdentifier {record['SetIdentifier']}"
    if any(("Weight" in one) != ("Weight" in record) for one in beside):
        yield f"{about} cannot be created as other RRSets exist with the same name and type."
    elif any(one["TTL"] != record["TTL"] for one in beside if "TTL" in one and "TTL" in record):
        yield f"{about} cannot be created as weighted sets must contain the same TTL."
    elif len(beside) >= _LARGEST_SET:
        yield f"{about} cannot be created as a set has at most {_LARGEST_SET} record sets."
    elif record["Type"] == "CNAME" and any(key[:1] == _key(record)[:1] and key[1] != "CNAME" for key in after):
        yield f"{about} cannot be created as it conflicts with other records with the same DNS name"
    else:
        after[_key(record)] = record


# -- XML and names


def _name(name: str) -> str:
    plain = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), name)
    return plain.rstrip(".").lower() + "."


def _key_of(name: str, kind: str, identifier: str) -> Key:
    return _name(name), kind, identifier


def _key(record: Record) -> Key:
    return _key_of(record["Name"], record["Type"], record.get("SetIdentifier", ""))


def _in_order(records: list[Record]) -> list[Record]:
    """By the labels from the right, then type, then identifier."""
    return sorted(records, key=lambda one: (_name(one["Name"]).split(".")[::-1], *_key(one)[1:]))


def _comparable(record: Record) -> Record:
    values = sorted(one["Value"] for one in record.get("ResourceRecords", ()))
    return {**record, "Name": _name(record["Name"]), "ResourceRecords": values}


def _title(record: Record) -> str:
    identifier = f", set identifier='{record['SetIdentifier']}'" if "SetIdentifier" in record else ""
    return f"[name='{_name(record['Name'])}', type='{record['Type']}'{identifier}]"


def _changes_in(body: bytes) -> Iterator[tuple[str, Record]]:
    for change in ET.fromstring(body).iter(f"{{{XMLNS}}}Change"):
        action, record = change
        yield str(action.text), _read(record)


def _read(element: ET.Element) -> t.Any:
    """A record set as boto3 gives it."""
    name = element.tag.rpartition("}")[2]
    if name in _LISTS:
        return [_read(one) for one in element]
    if len(element):
        return {one.tag.rpartition("}")[2]: _read(one) for one in element}
    text = element.text or ""
    return int(text) if name in ("TTL", "Weight") else text


def _written(record: Record) -> ET.Element:
    return _element("ResourceRecordSet", {**record, "Name": _name(record["Name"])})


def _element(name: str, value: t.Any) -> ET.Element:
    element = ET.Element(name)
    if isinstance(value, dict):
        element.extend(_element(key, one) for key, one in value.items())
    elif isinstance(value, list):
        element.extend(_element(_LISTS[name], one) for one in value)
    else:
        element.text = str(value)
    return element


def _change_info(root_name: str, change: str, *, pending: bool) -> bytes:
    root = ET.Element(root_name, xmlns=XMLNS)
    info = ET.SubElement(root, "ChangeInfo")
    ET.SubElement(info, "Id").text = f"/change/{change}"
    ET.SubElement(info, "Status").text = "PENDING" if pending else "INSYNC"
    ET.SubElement(info, "SubmittedAt").text = "2026-01-01T00:00:00.000Z"
    return ET.tostring(root)


def _error(refused: Refusal) -> bytes:
    root = ET.Element("ErrorResponse", xmlns=XMLNS)
    error = ET.SubElement(root, "Error")
    ET.SubElement(error, "Type").text = "Sender" if refused.status < 500 else "Receiver"
    ET.SubElement(error, "Code").text = refused.code
    ET.SubElement(error, "Message").text = str(refused)
    ET.SubElement(root, "RequestId").text = "00000000-0000-0000-0000-000000000000"
    return ET.tostring(root)
