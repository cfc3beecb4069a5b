# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions of the bench's own to the authority of a lab: nobody's answers are counted by who wrote the weights."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import http.client
import json
import pathlib
import socket
import threading
import time
import typing as t

import dns.exception
import dns.message
import dns.rdatatype
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import fit

from bench.dns.region import weights_of
from lab.dns import API_PORT, Api

_QUERIES: t.Final = 2000
_POLL_S: t.Final = 0.5
#: A server that has got a new record asks the health endpoints for the first time.
_SETTLED_S: t.Final = 3.0
_FAST_S: t.Final = 0.05
_ANSWER_S: t.Final = 2.0
_AT_ONCE: t.Final = 50
_FEW: t.Final = 5


@dataclasses.dataclass(frozen=True)
class Look:
    """Answers that were counted while these weights stood."""

    weights: dict[str, int]
    counts: dict[str, int]

    @property
    def p(self) -> float:
        """The probability of such counts or worse ones."""
        return 0.0 if sum(self.counts.values()) < _QUERIES else fit(self.counts, self.weights)


class Authority:
    """The name server of a lab's names; `names` is what the lab's state file says of it."""

    def __init__(self, names: t.Mapping[str, t.Any]) -> None:
        self._host, _colon, port = names["authority"].rpartition(":")
        self._port = int(port)
        self._name = names["name"]
        self._zone = names["zone"]
        self._resolvers = names["resolvers"]
        self._api = Api(self._host, API_PORT, pathlib.Path(names["api_key_file"]).read_text().strip())
        self._regions = {target: region for region, one in names["members"].items() for target in one["targets"]}

    def ask(self, number: int) -> collections.Counter[str]:
        """Regions that were answered; what is no answer is not counted."""
        return self._ask(self._host, self._port, number)

    def resolvers_with(self, region: str) -> int:
        """How many resolvers give this region to their clients now."""
        hosts = [resolver.rpartition(":") for resolver in self._resolvers]
        return sum(self._ask(host, int(port), 1)[region] for host, _colon, port in hosts)

    def _ask(self, host: str, port: int, number: int) -> collections.Counter[str]:
        found: collections.Counter[str] = collections.Counter()
        left = number
        with socket.socket(type=socket.SOCK_DGRAM) as asking:
            asking.settimeout(_ANSWER_S)
            asking.connect((host, port))
            while left > 0:
                # Many at once: one after the other takes longer than a step of a ramp on a busy machine.
                some = min(left, _AT_ONCE)
                left -= some
                with contextlib.suppress(OSError):
                    for place in range(some):
                        asking.send(self._question(place))
                    for _ in range(some):
                        found.update(self._regions_in(asking.recv(4096)))
        return found

    def _question(self, number: int) -> bytes:
        return dns.message.make_query(self._name, "A", id=number).to_wire()

    def _regions_in(self, wire: bytes) -> list[str]:
        try:
            answer = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return []
        addresses = [str(rrset[0]) for rrset in answer.answer if rrset.rdtype == dns.rdatatype.A]
        return [self._regions.get(address, "nobody") for address in addresses]

    def weights(self) -> dict[str, int]:
        """What stands in the record. Raises OSError, HTTPException and ValueError."""
        _status, body = self._api.request("GET", f"/{self._zone}?rrset_name={self._name}&rrset_type=LUA")
        (content,) = [record["content"] for one in json.loads(body)["rrsets"] for record in one["records"]]
        return weights_of(content)


class Watch:
    """While the block runs, the answers are counted once after each change of the weights."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.looks: list[Look] = []

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        known: dict[str, int] = {}
        while not self._over.wait(_POLL_S):
            # On a busy machine the server may be late; a step that nobody looked at is told by its row.
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                weights = self._authority.weights()
                if known and weights != known:
                    time.sleep(_SETTLED_S)
                    counts = self._authority.ask(_QUERIES)
                    if self._authority.weights() == weights:
                        self.looks.append(Look(weights, dict(counts)))
                known = weights


class LastAnswer:
    """While the block runs, when the authority last answered with a region, in unix seconds."""

    def __init__(self, authority: Authority, region: str) -> None:
        self._authority = authority
        self._region = region
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.at: float | None = None

    def __enter__(self) -> LastAnswer:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_FAST_S):
            if self._authority.ask(_FEW)[self._region]:
                self.at = time.time()
