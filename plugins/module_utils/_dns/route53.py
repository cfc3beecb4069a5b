# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Route 53 as a provider of weighted sets.

A region is the SetIdentifier of its record set. A change is one batch that deletes the whole set exactly as it was read
and creates it with the new weights: Route 53 carries out all of it or nothing, so nothing is written over a change that
was not seen.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import pathlib
import typing as t
import urllib.parse
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError, ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import decide_route53 as decide
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import (
    Batch,
    JsonObject,
    WeightedSet,
    Written,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.route53_api import (
    BotoTransport,
    RequestError,
    Route53Api,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.token_bucket import Limit, TokenBucket

_DEFAULTS: t.Final[Mapping[str, t.Any]] = {"aws_region": "us-east-1", "requests_per_s": 10.0, "burst": 50.0}
#: The limit of GetHealthCheckStatus alone.
_HEALTH_LIMIT: t.Final = Limit(1.0, 4.0)
#: How much of the time that the lock leaves one try of a change may take: a silent one leaves time to look for it.
_PART: t.Final = 0.5
#: The largest page of ListResourceRecordSets.
_PAGE: t.Final = 300
#: Seconds between two questions whether a change is everywhere: from, to. It usually takes less than 60.
_POLL_S: t.Final = (2.0, 5.0)


class Route53:
    """The protocol Provider, see model.py. `raw` of a set is its records as boto3 gives them."""

    def __init__(self, zone_id: str, api: Route53Api, health_bucket: TokenBucket, clock: Clock) -> None:
        self.name = decide.SYSTEM
        self.largest_weight = decide.LARGEST_WEIGHT
        self._zone_id = zone_id.rpartition("/")[2]
        self._api = api
        self._health_bucket = health_bucket
        self._clock = clock

    @classmethod
    def from_options(cls, options: Mapping[str, t.Any], clock: Clock) -> Route53:
        """Options that are missing have their default. Nothing is asked yet. Raises OptionError, and ReleaseError of
        kind `library` without boto3."""
        given = {**_DEFAULTS, **{name: value for name, value in options.items() if value is not None}}
        endpoint_url, profile = given.get("endpoint_url"), given.get("profile")
        if endpoint_url is not None and not _is_plain_url(endpoint_url):
            raise OptionError("route53.endpoint_url", "needed: http:// or https://, a host, and no user")
        limit = Limit(float(given["requests_per_s"]), float(given["burst"]))
        if limit.per_s <= 0 or limit.burst < 1:
            raise OptionError("route53.requests_per_s and burst", "needed: more than 0, and 1 or more")
        transport = BotoTransport(clock, aws_region=given["aws_region"], profile=profile, endpoint_url=endpoint_url)
        path = pathlib.Path(given.get("bucket_file") or _default_file(profile, endpoint_url))
        health = TokenBucket(path.with_name(path.name + ".health"), _HEALTH_LIMIT, clock)
        return cls(given["zone_id"], Route53Api(transport, TokenBucket(path, limit, clock), clock), health, clock)

    # -- Provider

    def read(self, name: str, kind: str, end: float) -> WeightedSet | None:
        """Two or three requests, however large the zone is: what stands at the name, and what external-dns writes
        beside it."""
        records = self._records(name, end)
        found = decide.read_set(name, kind, records, decide.owner_of(records))
        if found is None or found.owner is not None:
            return found
        for beside in decide.owner_names(name, kind):
            owner = decide.owner_of(self._page({"StartRecordName": beside, "StartRecordType": "TXT"}, beside, end)[0])
            if owner is not None:
                return dataclasses.replace(found, owner=owner)
        return found

    def batch(self, before: WeightedSet, after: Mapping[str, int]) -> Batch:
        weights = decide.all_weights(before, after)
        return Batch(before, weights, self._content(decide.changes(before, after)))

    def write(self, batch: Batch, end: float, fence: float = math.inf, *, lost: bool = False) -> Written:
        end = min(end, fence)
        try:
            return self._change(batch.content, end)
        except RequestError as error:
            if error.kind != "conflict" or not (lost or error.unsure):
                raise
            try:
                return self._change_of_lost_answer(batch, error, end)
            except ReleaseError as met:
                # Whatever this try says, the one without an answer may have been carried out.
                met.unsure = True
                raise

    def look(self, batch: Batch, written: Written, end: float) -> None:
        """Nothing to look at: Route 53 takes no record that it cannot answer."""

    def wait(self, written: Written, end: float) -> None:
        if not written.waits:
            return
        first_s, last_s = _POLL_S
        while True:
            wait_s = first_s + (last_s - first_s) * self._api.chance()
            if self._clock.monotonic() + wait_s >= end:
                raise self._not_everywhere(written)
            self._clock.sleep(wait_s)
            try:
                answer = self._api.ask("get_change", {"Id": written.change}, end).answer
            except ReleaseError as error:
                if error.kind != "throttled":
                    raise
                # Nobody may ask any more before the end, and that is no answer to what was asked.
                raise self._not_everywhere(written) from error
            if answer["ChangeInfo"]["Status"] == "INSYNC":
                return

    def _not_everywhere(self, written: Written) -> ReleaseError:
        return ReleaseError(
            f"Route 53, change {written.change}: not on all servers yet; it will be, and need not be sent again",
            kind="timeout",
            system=self.name,
            retriable=True,
        )

    def healthy(self, found: WeightedSet, end: float) -> dict[str, bool | None]:
        """Two requests for each health check, of which the service allows one in a second."""
        checks = sorted({member.health for member in found.members if member.health is not None})
        known: dict[str | None, bool | None] = {check: self._healthy(check, end) for check in checks}
        return {member.region: known.get(member.health) for member in found.members}

    # -- requests

    def _healthy(self, check: str, end: float) -> bool | None:
        which = {"HealthCheckId": check}
        try:
            config = self._api.ask("get_health_check", which, end).answer["HealthCheck"]["HealthCheckConfig"]
            if not decide.has_checkers(config):
                return decide.is_healthy(config, ())
            reports = self._api.ask("get_health_check_status", which, end, self._health_bucket).answer
        except RequestError as error:
            if error.kind == "not_found":
                return None
            raise
        statuses = [str(one["StatusReport"]["Status"]) for one in reports["HealthCheckObservations"]]
        return decide.is_healthy(config, statuses)

    def _records(self, name: str, end: float) -> list[JsonObject]:
        """All records of one name: pages from there to the first other name."""
        start: JsonObject | None = {"StartRecordName": decide.absolute(name)}
        found: list[JsonObject] = []
        while start is not None:
            page, start = self._page(start, name, end)
            found += page
        return found

    def _page(self, start: Mapping[str, str], name: str, end: float) -> tuple[list[JsonObject], JsonObject | None]:
        """The records of that name in one page, and where the next page of them begins."""
        parameters = {"HostedZoneId": self._zone_id, "MaxItems": str(_PAGE), **start}
        answer = self._api.ask("list_resource_record_sets", parameters, end).answer
        wanted = decide.absolute(name)
        found = [record for record in answer["ResourceRecordSets"] if decide.absolute(record["Name"]) == wanted]
        if not answer["IsTruncated"] or decide.absolute(answer["NextRecordName"]) != wanted:
            return found, None
        next_ = {"StartRecordName": answer["NextRecordName"], "StartRecordType": answer["NextRecordType"]}
        if answer.get("NextRecordIdentifier"):
            next_["StartRecordIdentifier"] = answer["NextRecordIdentifier"]
        return found, next_

    def _content(self, changes: list[JsonObject]) -> JsonObject:
        return {"HostedZoneId": self._zone_id, "ChangeBatch": {"Changes": changes}}

    def _change_of_lost_answer(self, batch: Batch, error: RequestError, end: float) -> Written:
        """`error`: a try without an answer came before it, so the change that it met may be our own."""
        sent = batch.content["ChangeBatch"]["Changes"]
        now = self._records(batch.before.name, end)
        found = decide.read_set(batch.before.name, batch.before.type, now, None)
        if found is None or found.raw != decide.created(sent):
            problem = f"{batch.before.name}: one try had no answer, and the set is another one now: {error.message}"
            raise RequestError(problem, kind="unreachable") from error
        return self._change(self._content(decide.again(sent)), end)

    def _change(self, content: JsonObject, end: float) -> Written:
        asked = self._api.ask("change_resource_record_sets", content, end, part=_PART)
        info = asked.answer["ChangeInfo"]
        return Written(str(info["Id"]).rpartition("/")[2], waits=info["Status"] != "INSYNC")


def _is_plain_url(url: str) -> bool:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None


def _default_file(profile: str | None, endpoint_url: str | None) -> pathlib.Path:
    """A file for each account, as far as the options tell one from another."""
    folder = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_CACHE_HOME") or pathlib.Path("~/.cache")
    account = hashlib.sha256(f"{profile or ''}\n{endpoint_url or ''}".encode()).hexdigest()[:16]
    return pathlib.Path(folder).expanduser() / "pincex-zero-downtime" / f"route53-{account}.bucket"
