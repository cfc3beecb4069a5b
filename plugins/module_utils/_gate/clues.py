# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads logs and events of the pods that a verdict speaks of. It is asked after the fact, and never fails it."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Sequence
from urllib.parse import quote

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.decide_clues import (
    Clue,
    Suspect,
    events_of,
    log_of,
    text_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._gate.pod_problems import shorten

__all__ = ["ClueReader", "text_of"]

#: In all, and for one question: a kubelet that hangs must not keep the events from being read.
_ALL_S: t.Final = 2.0
_ONE_S: t.Final = 0.8
_LEAST_S: t.Final = 0.1
#: Lines may be long; the API server cuts behind that many bytes.
_LARGEST_LOG: t.Final = 1_000_000

_Question = t.Literal["logs", "events"]
_RESOURCES: t.Final[dict[_Question, str]] = {"logs": "pods/log", "events": "events"}


class ClueReader:
    """Asks one API server. With `log_lines` 0 no log is read."""

    def __init__(self, kube: KubeApi, namespace: str, log_lines: int) -> None:
        self._kube = kube
        self._namespace = namespace
        self._log_lines = log_lines
        self._end = 0.0
        #: What is not asked again, and why: one refusal is as good as many, and one time-out is enough.
        self._gave_up: dict[_Question, str] = {}

    def read(self, suspects: Sequence[Suspect]) -> list[Clue]:
        """What can be found out about them within two seconds."""
        self._end = self._kube.clock.monotonic() + _ALL_S
        self._gave_up = {}
        patience = self._kube.deadline_s
        try:
            return [self._clue(suspect) for suspect in suspects]
        finally:
            self._kube.deadline_s = patience

    def _clue(self, suspect: Suspect) -> Clue:
        asked: list[_Question] = ["events"]
        log: tuple[str, ...] = ()
        if suspect.logs and self._log_lines > 0:
            asked.insert(0, "logs")
            log = self._log(suspect)
        events = events_of(event for kind, name in suspect.objects for event in self._events(kind, name))
        return Clue(suspect, log, events, tuple(self._gave_up[what] for what in asked if what in self._gave_up))

    def _log(self, suspect: Suspect) -> tuple[str, ...]:
        present, before = self._text_of_log(suspect, previous=False), ""
        if suspect.restarted and present.count("\n") < self._log_lines:
            before = self._text_of_log(suspect, previous=True)
        return log_of(before, present, self._log_lines)

    def _text_of_log(self, suspect: Suspect, *, previous: bool) -> str:
        query = {
            "container": suspect.container,
            "tailLines": str(self._log_lines),
            "limitBytes": str(_LARGEST_LOG),
            "previous": str(previous).lower(),
        }
        return self._ask("logs", f"pods/{quote(suspect.pod, safe='')}/log", query)

    def _events(self, kind: str, name: str) -> list[JsonObject]:
        query = {"fieldSelector": f"involvedObject.kind={kind},involvedObject.name={name}"}
        try:
            answer = json.loads(self._ask("events", "events", query) or "{}")
            return [event for event in answer.get("items") or [] if isinstance(event, dict)]
        except (ValueError, AttributeError):
            self._gave_up["events"] = "events: the answer was no list of events"
            return []

    def _ask(self, what: _Question, path: str, query: dict[str, str]) -> str:
        """The answer; nothing where there is none, with the reason in `_gave_up` if it would be the same again."""
        if what in self._gave_up:
            return ""
        left = self._end - self._kube.clock.monotonic()
        if left < _LEAST_S:
            self._gave_up[what] = f"{what}: not read, there was no time left"
            return ""
        self._kube.deadline_s = min(left, _ONE_S)
        try:
            return self._kube.text(f"/api/v1/namespaces/{quote(self._namespace, safe='')}/{path}", query)
        except ApiError as error:
            if error.kind in ("forbidden", "unauthorized"):
                self._gave_up[what] = f"{what}: not allowed ({_RESOURCES[what]})"
            elif error.retriable:
                self._gave_up[what] = shorten(f"{what}: {error.message}")
            # The others say that there is none: the pod is gone, or the container has not begun or has no life before.
            return ""
