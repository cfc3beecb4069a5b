# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The weighted set of a lab, asked past all proxies: what stands in its record, and what the authority answers."""

from __future__ import annotations

import collections.abc as c
import http.client
import json
import re
import typing as t
import urllib.parse

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from chaos.oracle import NamesState
from lab import dns as servers
from lab.errors import LabError
from lab.model import Lab

_ASKED: t.Final = 40
_TIMEOUT_S: t.Final = 2.0
_TRIES: t.Final = 3
_WEIGHT: t.Final = re.compile(r"(\{'([^']+)',)(\d+),")


def table_of(content: str, first: str) -> dict[str, int] | None:
    """Region -> weight in the table of a LUA record; None unless it is `first`, the record of the lab at its beginning,
    with other weights."""
    if _WEIGHT.sub(r"\g<1>0,", content) != _WEIGHT.sub(r"\g<1>0,", first):
        return None
    return {region: int(weight) for _head, region, weight in _WEIGHT.findall(content)}


class Names:
    """The name server of a lab. It has been started by the time that anything is asked."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._first = next(one for one in servers.zone(lab)["rrsets"] if one["name"] == servers.SET)
        told = servers.state(lab)
        #: The weights of all regions when all is well.
        self.full: dict[str, int] = dict(told["full"])
        self._region_of = {
            address: region for region, member in told["members"].items() for address in member["targets"]
        }

    def variables(self, url: str) -> dict[str, t.Any]:
        """What leads a playbook to the API at another URL; answers are asked where they have always been."""
        return {"lab_dns": {**servers.state(self._lab), "url": url}}

    def state(self) -> NamesState:
        """What stands there now."""
        asked = urllib.parse.urlencode({"rrset_name": servers.SET, "rrset_type": "LUA"})
        try:
            status, body = self._api().request("GET", f"/{servers.ZONE}?{asked}")
            found = [one for one in json.loads(body).get("rrsets") or [] if one["name"] == servers.SET]
        except (OSError, http.client.HTTPException, ValueError) as error:
            return NamesState(unread=f"PowerDNS does not answer: {error}")
        records = [str(record["content"]) for one in found for record in one["records"] if not record.get("disabled")]
        if status != 200 or len(records) != 1:
            return NamesState(unread=f"PowerDNS answered {status}, with {len(records)} records of {servers.SET}")
        weights = table_of(records[0], self._first["records"][0]["content"])
        if weights is None:
            return NamesState(unread=f"the record of {servers.SET} is not the one of the lab: {records[0][:200]}")
        return NamesState(weights, answered=tuple(sorted(set(self._answers()))))

    def reset(self) -> None:
        """The record as the lab made it. Raises LabError."""
        wanted = {"rrsets": [{**self._first, "changetype": "REPLACE"}]}
        try:
            status, said = self._api().request("PATCH", f"/{servers.ZONE}", wanted)
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"PowerDNS does not answer: {error}") from error
        if status != 204:
            raise LabError(f"PowerDNS did not take the first record of {servers.SET} ({status}): {said[:300]!r}")

    def _api(self) -> servers.Api:
        key = servers.key_file(self._lab).read_text(encoding="utf-8").strip()
        return servers.Api(self._lab.management.address, servers.API_PORT, key)

    def _answers(self) -> c.Iterator[str]:
        """The region of each answer; the address where it is no region's. Empty where there is none, and the last."""
        for _number in range(_ASKED):
            address = self._answer()
            yield self._region_of.get(address, address)
            if not address:
                return

    def _answer(self) -> str:
        """An address; empty where there is none. A question that is lost is asked again."""
        for _try in range(_TRIES):
            question = dns.message.make_query(servers.SET, "A")
            try:
                answer = dns.query.udp(question, self._lab.management.address, _TIMEOUT_S, servers.PORT)
            except (dns.exception.DNSException, OSError):
                continue
            return next((str(one[0]) for one in answer.answer if one.rdtype == dns.rdatatype.A), "")
        return ""
