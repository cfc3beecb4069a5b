# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the events that the decisions ask for. It never fails: what is not read makes a verdict later, and no other."""

from __future__ import annotations

import json
import math
import typing as t
from collections.abc import Collection, Mapping
from urllib.parse import quote

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_events import Reason

#: One list for each reason this often, and ever more seldom while none is answered.
_PAUSE_S: t.Final = 2.0
_LONGEST_PAUSE_S: t.Final = 30.0
#: Checks of traffic wait meanwhile.
_PATIENCE_S: t.Final = 0.5
_MOST: t.Final = 500

Asked = Mapping[Reason, Collection[str]]


class EventReader:
    """Asks one API server about one namespace."""

    def __init__(self, kube: KubeApi, namespace: str) -> None:
        # A patience of its own, over the same connections.
        self._kube = KubeApi(kube.transport, kube.clock, kube.region, _PATIENCE_S)
        self._path = f"/api/v1/namespaces/{quote(namespace, safe='')}/events"
        self._asked: Asked = {}
        self._due = -math.inf
        self._pause = _PAUSE_S
        #: What the last list gave.
        self.known: tuple[JsonObject, ...] = ()
        #: Why events are not read now; empty when they are, or nobody has asked.
        self.note = ""

    def ask(self, asked: Asked) -> bool:
        """Reasons, each with the uids of the objects, to be read from now on instead of those before. True when nobody
        had asked for anything, so that the next read may be made at once."""
        first = bool(asked) and not self._asked
        self._asked = asked
        if not asked:
            self.known = ()
        return first

    def read(self) -> None:
        """Read if somebody asks and it is time again."""
        now = self._kube.clock.monotonic()
        if not self._asked or now < self._due:
            return
        try:
            self.known = tuple(event for reason, uids in self._asked.items() for event in self._events(reason, uids))
            self.note, self._pause = "", _PAUSE_S
        except (ApiError, ValueError, AttributeError, TypeError) as error:
            self.known = ()
            self.note = f"events are not read, which would tell sooner of pods that are refused or not mounted: {error}"
            self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)
            if isinstance(error, ApiError) and not error.retriable:
                self._pause = math.inf
        self._due = self._kube.clock.monotonic() + self._pause

    def _events(self, reason: Reason, uids: Collection[str]) -> list[JsonObject]:
        terms = [f"reason={reason}"]
        if len(uids) == 1:
            # The requests are the same however many workloads there are.
            terms += [f"involvedObject.uid={uid}" for uid in uids]
        answer = json.loads(self._kube.text(self._path, {"fieldSelector": ",".join(terms), "limit": str(_MOST)}))
        return [
            event
            for event in answer.get("items") or []
            if event.get("reason") == reason and (event.get("involvedObject") or {}).get("uid") in uids
        ]
