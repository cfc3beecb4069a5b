# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that find the exchange by its name, as clients outside do.

Each client has one resolver, and sends where its last answer says until the TTL of that answer is over. A connection
that fails is a reason to ask again, which a resolver with an answer in its cache answers as before.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
import typing as t
import urllib.parse

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from lab.exchange.http_client import HttpClient, HttpFailure

#: So that a resolver is seen to give one answer to several clients.
CLIENTS_OF_A_RESOLVER: t.Final = 4
_ANSWER_S: t.Final = 2.0
_TRIES: t.Final = 3


@dataclasses.dataclass(frozen=True)
class Resolving:
    """What is resolved and by whom: HOST:PORT of each resolver."""

    name: str
    resolvers: tuple[str, ...]


class Route(t.NamedTuple):
    """Where an order goes."""

    region: str
    client: HttpClient


class _Client:
    """One client: its resolver, and the answer that it has."""

    def __init__(self, resolver: str) -> None:
        self.resolver = resolver
        self.route: Route | None = None
        self.until = 0.0
        self.asking: asyncio.Task[None] | None = None

    def leave(self) -> None:
        if self.route is not None:
            self.route.client.close()
        self.route = None


class Names:
    """All clients. `answers` has each change of what a resolver said: [unix time, resolver, region]."""

    def __init__(self, resolving: Resolving, gateways: t.Mapping[str, str], host: str) -> None:
        self.resolving = resolving
        self.answers: list[tuple[float, str, str]] = []
        self.questions = 0
        self._said: dict[str, str] = {}
        self._host = host
        self._backend = dns.asyncbackend.get_backend("asyncio")
        self._gateways = {urllib.parse.urlsplit(url).hostname: (region, url) for region, url in gateways.items()}
        number = CLIENTS_OF_A_RESOLVER * len(resolving.resolvers)
        self._clients = [_Client(resolving.resolvers[index % len(resolving.resolvers)]) for index in range(number)]

    async def route(self, number: int) -> Route:
        """Where the client whose turn it is sends a new order. Raises HttpFailure of kind `resolve`."""
        client = self._clients[number % len(self._clients)]
        if client.route is not None and asyncio.get_running_loop().time() < client.until:
            return client.route
        if client.asking is None:
            client.asking = asyncio.ensure_future(self._ask(client))
        try:
            # Its other orders wait for the same answer; one that is cut off does not take it from them.
            await asyncio.shield(client.asking)
        finally:
            if client.asking is not None and client.asking.done():
                client.asking = None
        if client.route is None:
            raise HttpFailure("resolve", f"{client.resolver} has no answer for {self.resolving.name}")
        return client.route

    def failed(self, number: int, route: Route) -> None:
        """The connection failed: ask again before the next order."""
        client = self._clients[number % len(self._clients)]
        if client.route is route:
            client.until = 0.0

    def ended(self, number: int, route: Route) -> None:
        """A request has ended. Connections to where the client does not send any more are closed."""
        if self._clients[number % len(self._clients)].route is not route:
            route.client.close()

    def close(self) -> None:
        for client in self._clients:
            client.leave()

    async def _ask(self, client: _Client) -> None:
        asked_at = asyncio.get_running_loop().time()
        address, ttl = await self._question(client.resolver)
        region, url = self._gateways.get(address, ("", ""))
        if not region:
            self._note(client.resolver, address and f"nobody ({address})")
            client.leave()
            return
        self._note(client.resolver, region)
        client.until = asked_at + ttl
        if client.route is None or client.route.region != region:
            client.leave()
            client.route = Route(region, HttpClient(url, self._host))

    async def _question(self, resolver: str) -> tuple[str, int]:
        """The address and its TTL in seconds; no address when there is no good answer."""
        host, _, port = resolver.rpartition(":")
        question = dns.message.make_query(self.resolving.name, "A")
        for _ in range(_TRIES):
            self.questions += 1
            try:
                answer = await dns.asyncquery.udp(question, host, _ANSWER_S, int(port), backend=self._backend)
            except (dns.exception.DNSException, OSError):
                continue
            for rrset in answer.answer:
                if rrset.rdtype == dns.rdatatype.A:
                    return str(rrset[0]), int(rrset.ttl)
            return "", 0
        return "", 0

    def _note(self, resolver: str, region: str) -> None:
        if self._said.get(resolver) != region:
            self._said[resolver] = region
            self.answers.append((round(time.time(), 3), resolver, region or "no answer"))
