# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines of a lab, asked past all proxies: who leads, and what stands in their journals."""

from __future__ import annotations

import collections.abc as c
import http.client
import json
import time
import typing as t
import urllib.parse

from chaos.oracle import EngineState, led_badly
from chaos.trading import LATE_S, Event, Trading, trading_of
from lab.exchange_install import RECORD
from lab.flow.engines import NAMESPACE, PORT, find_engine
from lab.kube import Kube
from lab.model import Lab, Site

_TIMEOUT_S: t.Final = 5.0
_TRIES: t.Final = 3
_AGAIN_S: t.Final = 0.2
_PAGE: t.Final = 5000


class Engines:
    """Both slots of the matching engine in every region."""

    def __init__(self, lab: Lab, service: str) -> None:
        self._lab = lab
        self._service = service

    def state(self, site: Site) -> EngineState:
        """Whom the region's record names, and which pods say that they lead."""
        kube = Kube(site.admin_kubeconfig)
        found = kube.get("v1", "ConfigMap", RECORD, NAMESPACE)
        record = json.loads(((found or {}).get("data") or {}).get("record") or "{}")
        leaders = []
        for pod in kube.list("v1", "Pod", NAMESPACE, f"app.kubernetes.io/name={self._service}"):
            address = (pod.get("status") or {}).get("podIP")
            if address and _leads(f"{address}:{PORT}"):
                leaders.append(pod["metadata"]["name"].rpartition("-")[0])
        return EngineState(str(record.get("owner") or ""), int(record.get("epoch") or 0), tuple(sorted(leaders)))

    def sequences(self) -> dict[str, int]:
        """The number of the last event of every region's journal."""
        return {site.name: int(_asked(_leader(self._lab, site), "/leader")["sequence"]) for site in self._lab.regions}

    def wait_to_trade(self, deadline_s: float) -> list[str]:
        """Look until one engine leads in every region, for as long as a cut may last. Sentences about those where none
        does: nobody has recovered anything yet."""
        end = time.monotonic() + deadline_s + LATE_S
        while True:
            bad = {site.name: led_badly(site.name, self._service, self.state(site)) for site in self._lab.regions}
            if not any(bad.values()):
                return []
            if time.monotonic() >= end:
                told = [sentence for sentences in bad.values() for sentence in sentences]
                return [
                    f"{sentence}, {deadline_s + LATE_S:g} s after the kill and without recover" for sentence in told
                ]
            time.sleep(_AGAIN_S)

    def traded(self, since: c.Mapping[str, int], ended_ms: int) -> dict[str, Trading]:
        """By region, what its journal says about the time after these numbers."""
        return {
            site.name: trading_of(_journal(_leader(self._lab, site), since[site.name]), ended_ms)
            for site in self._lab.regions
        }


def _leader(lab: Lab, site: Site) -> str:
    """HOST:PORT of the engine that the record names. Raises EngineError."""
    return urllib.parse.urlsplit(find_engine(lab.kubeconfig, site.name)).netloc


def _leads(place: str) -> bool:
    """One that refuses a connection does not; one that is only late on a busy machine is asked again."""
    for _try in range(_TRIES):
        try:
            return bool(_asked(place, "/leader")["leader"])
        except TimeoutError:
            continue
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            return False
    return False


def _journal(place: str, after: int) -> c.Iterator[Event]:
    while True:
        lines = _get(place, f"/journal?after={after}&limit={_PAGE}").splitlines()
        if not lines:
            return
        for line in lines:
            event = json.loads(line)
            after = int(event["seq"])
            yield event


def _asked(place: str, path: str) -> dict[str, t.Any]:
    return dict(json.loads(_get(place, path)))


def _get(place: str, path: str) -> bytes:
    """Raises OSError, HTTPException; an answer that is no 200 is one of them."""
    connection = http.client.HTTPConnection(place, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise http.client.HTTPException(f"{place}{path} answered {answer.status}")
    return body
