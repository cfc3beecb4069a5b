# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PowerDNS as a provider of weighted sets: one LUA record by the HTTP API, and questions to the server that answers.

The API has no compare-and-swap, and takes whatever it is given: broken Lua, and functions that this version lacks. So
what stands there is compared right before the write, and the answers are asked for right after it.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import math
import pathlib
import random
import ssl
import typing as t
import urllib.parse
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    OptionError,
    ReleaseError,
    TryLater,
    asked_wait_s,
    may_have_written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import HttpSession, NoAnswer, Reply
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.pauses import Pauses, retry_after_s
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import lua_record
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import (
    Batch,
    Broken,
    JsonObject,
    Member,
    WeightedSet,
    Written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.resolver import Resolver

_REQUEST_S: t.Final = 5.0
_HEALTH_S: t.Final = 2.0
#: Between two tries of a request the first pause; between two questions to the authority each.
_PAUSE_S: t.Final = 0.2
_LONGEST_PAUSE_S: t.Final = 2.0
#: Answers that are looked at after a write. A record that answers one region only has one chance in 65,536 at 50:50.
_LOOKED_AT: t.Final = 16


class Transport(t.Protocol):
    """The one thing that tests may replace."""

    def exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """The answer. Raises NoAnswer."""


class _Wrong(Exception):
    """The authority does not answer what it should. `cut_off`: it may only have had too little time."""

    def __init__(self, problem: str, *, cut_off: bool = False) -> None:
        super().__init__(problem)
        self.cut_off = cut_off


class PowerDns:
    """The protocol Provider, see model.py. `raw` of a set is the record set as the API gives it."""

    def __init__(
        self,
        options: Mapping[str, t.Any],
        clock: Clock,
        api: Transport,
        health: Transport,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = "powerdns"
        self.largest_weight = lua_record.LARGEST_WEIGHT
        self._zone = _absolute(options["zone"])
        server, zone = (urllib.parse.quote(text, safe="") for text in (options["server"], self._zone))
        self._path = f"/api/v1/servers/{server}/zones/{zone}"
        self._url = options["url"].rstrip("/")
        self._key_file = options["api_key_file"]
        self._clock = clock
        self._api = api
        self._health = health
        self._chance = chance
        self._authority = Resolver(options["authority"], clock, "powerdns.authority")
        #: Record sets LUA of names that have no set of the type that was read, and may have one of another type.
        self._beside: dict[str, JsonObject | None] = {}

    @classmethod
    def from_options(cls, options: Mapping[str, t.Any], clock: Clock) -> PowerDns:
        """`options`: url, server, zone, api_key_file, authority (HOST:PORT), ca_cert. Raises OptionError."""
        if not options["url"].startswith(("http://", "https://")):
            raise OptionError("powerdns.url", f"{options['url']} does not start with http:// or https://")
        ca_cert = options.get("ca_cert")
        for name, path in (("api_key_file", options["api_key_file"]), ("ca_cert", ca_cert)):
            if path is not None and not pathlib.Path(path).is_file():
                raise OptionError(f"powerdns.{name}", f"{path} is not a file")
        # As PowerDNS asks them itself: a region is up when it says so, whoever signed its certificate.
        unverified = ssl.create_default_context()
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        return cls(options, clock, HttpSession(clock, ca_cert=ca_cert), HttpSession(clock, tls=unverified))

    # -- Provider

    def read(self, name: str, kind: str, end: float) -> WeightedSet | None:
        """Two requests, however large the zone is: what stands at the name, and what external-dns writes beside it."""
        name = self._in_zone(name)
        found = self._record_set(name, end)
        members = _members(name, kind, found)
        if members is None:
            self._beside[name] = _plain_or_none(found)
            return None
        lua = found["LUA"]
        return WeightedSet(
            name,
            kind,
            members,
            dict.fromkeys((member.region for member in members), int(lua["ttl"])),
            self._owner(name, kind, found, end),
            _plain(lua),
        )

    def batch(self, before: WeightedSet, after: Mapping[str, int]) -> Batch:
        name = self._in_zone(before.name)
        unknown = sorted(after.keys() - before.weights.keys())
        if unknown:
            raise OptionError("weights", f"{before.name} has no region {unknown[0]}")
        weighted = tuple(_with_weight(member, after) for member in before.members)
        content = lua_record.compose(before.type, weighted)
        # The record set LUA of a name holds the sets of all its types, and a write replaces all of it.
        beside = [one for one in (self._was(before) or {}).get("records", []) if _kind(one) != before.type]
        after_set = {
            "name": name,
            "type": "LUA",
            "ttl": before.ttl,
            "records": [*beside, {"content": content, "disabled": False}],
        }
        body = {"rrsets": [{**after_set, "changetype": "REPLACE"}]}
        return Batch(before, {member.region: member.weight for member in weighted}, self._content(body))

    def write(self, batch: Batch, end: float, fence: float = math.inf, *, lost: bool = False) -> Written:
        name = self._in_zone(batch.before.name)
        (wanted,) = batch.content["body"]["rrsets"]
        until = min(end, fence)
        if not lost or _plain_or_none(self._record_set(name, until)) != _aim(wanted):
            self._look_before(batch, until, wanted if lost else None)
            self._change(wanted, batch.before, until, lost)
        try:
            serial = self._read_back(name, wanted, until)
        except ReleaseError as error:
            error.unsure = True
            raise
        return Written(str(serial), waits=False)

    def look(self, batch: Batch, written: Written, end: float) -> None:
        try:
            self._look_at_answers(batch, int(written.change), end)
        except _Wrong as wrong:
            problem = f"after the change {wrong}"
            raise Broken(problem, system=self.name, back=self._back(batch), retriable=wrong.cut_off) from wrong

    def wait(self, written: Written, end: float) -> None:
        """Nothing to wait for: `write` has asked the server already."""

    def healthy(self, found: WeightedSet, end: float) -> dict[str, bool | None]:
        with concurrent.futures.ThreadPoolExecutor(max(1, min(16, len(found.members)))) as pool:
            answers = pool.map(lambda member: self._is_up(member, end), found.members)
            return dict(zip((member.region for member in found.members), answers, strict=True))

    # -- what reading needs

    def _in_zone(self, name: str) -> str:
        name = _absolute(name)
        if name != self._zone and not name.endswith(f".{self._zone}"):
            raise OptionError("name", f"{name} is not in the zone {self._zone}")
        return name

    def _record_set(self, name: str, end: float, kind: str = "") -> dict[str, JsonObject]:
        """What stands at the name, by type."""
        asked = {"rrset_name": name, **({"rrset_type": kind} if kind else {})}
        answer = self._request("GET", f"?{urllib.parse.urlencode(asked)}", None, end)
        return _by_type(answer, name)

    def _owner(self, name: str, kind: str, found: Mapping[str, JsonObject], end: float) -> str | None:
        beside = self._record_set(f"{kind.lower()}-{name}", end, "TXT")
        texts = [
            str(record["content"]).strip('"')
            for one in (found.get("TXT"), beside.get("TXT"))
            if one is not None
            for record in one["records"]
        ]
        return next((text for text in texts if text.startswith("heritage=")), None)

    # -- what writing needs

    def _content(self, body: JsonObject) -> JsonObject:
        return {"method": "PATCH", "url": f"{self._url}{self._path}", "body": body}

    def _back(self, batch: Batch) -> Batch:
        """What puts back what stood there, over our own change only."""
        before, was = batch.before, self._was(batch.before)
        (sent,) = batch.content["body"]["rrsets"]
        old: JsonObject = {"name": sent["name"], "type": "LUA", "changetype": "DELETE"}
        if was is not None:
            old = {**was, "changetype": "REPLACE"}
        ours = dataclasses.replace(
            before, members=tuple(_with_weight(member, batch.after) for member in before.members), raw=_aim(sent)
        )
        return Batch(ours, before.weights, self._content({"rrsets": [old]}), back=True)

    def _look_before(self, batch: Batch, end: float, ours: JsonObject | None) -> None:
        """What has to hold before the first byte of a change is sent. Every error says that nothing was written."""
        try:
            # With less time than that, silence says nothing about the server.
            if self._clock.monotonic() + _PAUSE_S > end:
                raise _not_sent(batch.before)
            if not batch.back:
                # A server that cannot be asked afterwards is not written to.
                self._serial(end)
            self._compare(batch.before, end, ours)
        except _Wrong as wrong:
            problem = f"{wrong}; nothing was written"
            raise _error(problem, "unreachable", retriable=True, unsure=False) from wrong
        except ReleaseError as error:
            error.unsure = False
            raise

    def _compare(self, before: WeightedSet, end: float, ours: JsonObject | None = None) -> None:
        """Raises `conflict` when the set is not the one that was read, nor `ours`, a change that may come late."""
        found = _plain_or_none(self._record_set(before.name, end))
        if found != self._was(before) and (ours is None or found != _aim(ours)):
            raise _error(f"{before.name} was changed since it was read; nothing was written", "conflict")

    def _change(self, wanted: JsonObject, before: WeightedSet, end: float, lost: bool) -> None:
        """Send it until it stands there. Without an answer it may have been carried out: look before the next try.
        `lost`: so may one before this call. Every error says whether one of the tries may have been."""
        pauses = self._pauses()
        try:
            while (left_s := end - self._clock.monotonic()) > 0:
                try:
                    # A try that is silent leaves time to look for what it did.
                    self._once("PATCH", "", {"rrsets": [wanted]}, end - left_s / 2)
                    return
                except ReleaseError as error:
                    lost = lost or may_have_written(error)
                    pause_s = pauses.next(asked_wait_s(error))
                    if not error.retriable or self._clock.monotonic() + max(pause_s, _LONGEST_PAUSE_S) > end:
                        raise
                self._clock.sleep(pause_s)
                if not lost:
                    self._compare(before, end)
                    continue
                found = _plain_or_none(self._record_set(before.name, end))
                if found == _aim(wanted):
                    return
                if found != self._was(before):
                    problem = "somebody else has changed it meanwhile, and whether our change was taken is not known"
                    raise _error(f"{before.name}: {problem}; run this again", "read_back", retriable=True)
            raise _not_sent(before)
        except ReleaseError as error:
            error.unsure = lost
            raise

    def _read_back(self, name: str, wanted: JsonObject, end: float) -> int:
        """The serial of the zone that holds the change."""
        asked = urllib.parse.urlencode({"rrset_name": name, "rrset_type": "LUA"})
        answer = self._request("GET", f"?{asked}", None, end)
        if _plain_or_none(_by_type(answer, name)) != _aim(wanted):
            problem = "our change was taken, and somebody else has changed it at once; run this again"
            raise _error(f"{name}: {problem}", "read_back", retriable=True)
        return int(answer["edited_serial"])

    def _look_at_answers(self, batch: Batch, serial: int, end: float) -> None:
        """Raises _Wrong."""
        before = batch.before
        right: set[str] = set()
        for member in before.members:
            if batch.after[member.region] > 0:
                right.update(target.lower() for target in member.targets)
        # A server that gets its zone from the one with the API still answers what was there before.
        while (serial - self._serial(end)) % 2**32 in range(1, 2**31):
            if self._clock.monotonic() + _PAUSE_S > end:
                problem = f"{self._authority.address} did not get the serial {serial} of {self._zone} in time"
                raise _Wrong(problem, cut_off=True)
            self._clock.sleep(_PAUSE_S)
        for values in self._ask(before.name, before.type, _LOOKED_AT, end):
            odd = {value.lower() for value in values} - right
            if odd:
                raise _Wrong(f"{min(odd)} was answered, which belongs to no region with a weight")

    def _serial(self, end: float) -> int:
        """The serial number of the zone that is answered. Raises _Wrong."""
        return int(self._ask(self._zone, "SOA", 1, end)[0][0].split()[2])

    def _ask(self, name: str, kind: str, number: int, end: float) -> list[tuple[str, ...]]:
        """What is answered. Raises _Wrong where it is an error, nothing, or not there."""
        answers = self._authority.ask(name, kind, number, end)
        for answer in answers:
            if not answer.values:
                problem = answer.problem or "an answer without a record"
                raise _Wrong(
                    f"{self._authority.address} gave {problem} for {name} {kind}",
                    cut_off=self._clock.monotonic() >= end,
                )
        return [answer.values for answer in answers]

    def _was(self, before: WeightedSet) -> JsonObject | None:
        """The record set as it was when the set was read, or was found missing."""
        return self._beside.get(_absolute(before.name)) if before.raw is None else before.raw

    # -- HTTP

    def _pauses(self) -> Pauses:
        return Pauses(_PAUSE_S, _LONGEST_PAUSE_S, self._chance)

    def _request(self, method: str, query: str, body: JsonObject | None, end: float) -> JsonObject:
        """Try until the end while the server is away. Raises ReleaseError."""
        pauses = self._pauses()
        while True:
            try:
                return self._once(method, query, body, end)
            except ReleaseError as error:
                pause_s = pauses.next(asked_wait_s(error))
                if not error.retriable or self._clock.monotonic() + pause_s > end:
                    raise
            self._clock.sleep(pause_s)

    def _once(self, method: str, query: str, body: JsonObject | None, end: float) -> JsonObject:
        """One try. Raises ReleaseError."""
        sent = None if body is None else json.dumps(body).encode()
        left = max(0.1, min(_REQUEST_S, end - self._clock.monotonic()))
        headers = {"Accept": "application/json", "Content-Type": "application/json", "X-API-Key": self._key()}
        try:
            reply = self._api.exchange(method, f"{self._url}{self._path}{query}", sent, headers, left)
        except NoAnswer as error:
            text = f"PowerDNS at {self._url} does not answer: {error}"
            raise _error(text, "unreachable", retriable=not error.hopeless) from error
        return self._answer(method, reply)

    def _answer(self, method: str, reply: Reply) -> JsonObject:
        """The one place that knows what the answers of PowerDNS mean."""
        status = reply.status
        try:
            answer = json.loads(reply.body) if reply.body else {}
        except ValueError:
            answer = None
        said = str(answer.get("error", "")) if isinstance(answer, dict) else ""
        # What PowerDNS says about a key is not the key; a proxy in front of it may be more careless.
        said = f": {said[:300]}" if said and self._key() not in said else ""
        place = f"PowerDNS at {self._url}"
        if status in (401, 403):
            raise _error(f"{place} refuses the API key of {self._key_file} ({status})", "auth")
        if status == 404:
            raise _error(f"{place} has no zone {self._zone}, or no such server (404){said}", "not_found")
        if status == 429 or status >= 500:
            kind, what = "unreachable", f"answered {status}"
            if status == 429:
                kind, what = "throttled", "asks for fewer requests (429)"
            wait_s = retry_after_s(reply.headers, self._clock.now())
            asked = f", and asks to wait {wait_s:.0f} s" if wait_s > 0 else ""
            raise TryLater(f"{place} {what}{asked}{said}", kind=kind, system=self.name, wait_s=wait_s)
        if not 200 <= status < 300:
            raise _error(f"{place} refuses the request ({status}){said}", "refused")
        if method == "GET" and not (isinstance(answer, dict) and isinstance(answer.get("rrsets"), list)):
            raise _error(f"{place} answered something that is no zone", "unreachable")
        return t.cast(JsonObject, answer)

    def _key(self) -> str:
        # Read for every request: it may be renewed on disk.
        try:
            key = pathlib.Path(self._key_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise OptionError("powerdns.api_key_file", f"{self._key_file}: {error.strerror}") from error
        if not key:
            raise OptionError("powerdns.api_key_file", f"{self._key_file} is empty")
        return key

    def _is_up(self, member: Member, end: float) -> bool | None:
        """As PowerDNS sees it: nothing but 200 is up. Asked twice, because one lost packet is no dead region."""
        if member.health is None:
            return None
        for _attempt in range(2):
            left = min(_HEALTH_S, end - self._clock.monotonic())
            if left <= 0:
                return None
            try:
                reply = self._health.exchange("GET", member.health, None, {"User-Agent": "dns_weight"}, left)
            except NoAnswer:
                continue
            if reply.status == 200:
                return True
        return False


def _members(name: str, kind: str, found: Mapping[str, JsonObject]) -> tuple[Member, ...] | None:
    """The members of the set, None when there is no record. Raises `not_weighted` and `broken`."""
    if kind not in lua_record.KINDS:
        raise OptionError("type", f"{kind} is none of {', '.join(lua_record.KINDS)}")
    plain = sorted(one for one in found if one in (kind, "CNAME"))
    if plain:
        problem = f"has a plain {plain[0]} record, which is answered whatever the weights are: remove it first"
        raise _error(f"{name} {problem}", "not_weighted")
    ours = [one for one in found.get("LUA", {}).get("records", []) if _kind(one) == kind]
    if not ours:
        return None
    if len(ours) > 1:
        raise _error(f"{name} has {len(ours)} LUA records of type {kind}: leave one of them", "broken")
    if ours[0].get("disabled"):
        raise _error(f"{name}: the LUA record is disabled: enable or remove it", "broken")
    try:
        members = lua_record.read(str(ours[0]["content"]))
    except lua_record.Edited as error:
        what = "put back what stood there, or remove it and make the set anew with state absolute"
        raise _error(f"{name}: {error}: {what}", "broken") from error
    if members is None:
        raise _error(f"{name} has a LUA record that dns_weight did not write: remove it first", "not_weighted")
    return members


def _with_weight(member: Member, after: Mapping[str, int]) -> Member:
    weight = after.get(member.region, member.weight)
    return Member(member.region, weight, member.targets, member.alias, member.health)


def _kind(record: Mapping[str, t.Any]) -> str:
    return lua_record.kind_of(str(record["content"]))


def _plain(found: Mapping[str, t.Any]) -> JsonObject:
    """A record set without what changes by itself, and without comments, which a write leaves as they are."""
    return {
        "name": _absolute(found["name"]),
        "type": found["type"],
        "ttl": int(found["ttl"]),
        "records": _records(found["records"]),
    }


def _by_type(answer: JsonObject, name: str) -> dict[str, JsonObject]:
    """What stands at the name, by type. Some servers give the whole zone all the same."""
    return {one["type"]: one for one in answer["rrsets"] if _absolute(one["name"]) == name}


def _aim(change: JsonObject) -> JsonObject | None:
    """What stands there after a change; None when it takes the record away."""
    return None if change["changetype"] == "DELETE" else _plain(change)


def _plain_or_none(found: Mapping[str, JsonObject]) -> JsonObject | None:
    return _plain(found["LUA"]) if "LUA" in found else None


def _records(records: Iterable[Mapping[str, t.Any]]) -> list[JsonObject]:
    plain = [{"content": str(one["content"]), "disabled": bool(one.get("disabled"))} for one in records]
    return sorted(plain, key=lambda one: str(one["content"]))


def _absolute(name: str) -> str:
    return f"{name.lower().rstrip('.')}."


def _not_sent(before: WeightedSet) -> ReleaseError:
    problem = "not sent, because the time or the lock was about to end"
    return _error(f"{before.name}: {problem}; run this again", "timeout", retriable=True)


def _error(text: str, kind: str, *, retriable: bool = False, unsure: bool | None = None) -> ReleaseError:
    error = ReleaseError(text, kind=kind, system="powerdns", retriable=retriable)
    error.unsure = unsure
    return error
