# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All objects of one kind as they are now: one list, then watches, each from where the last one ended."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
import typing as t

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.kube import KubeApi, Trim
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, NoAnswer, Stream

#: A watch is asked for this long. The server sends a bookmark before its end, so that the next one starts from there;
#: and a connection that died in silence is noticed this much later at most (a bookmark alone comes once a minute).
_WATCH_S: t.Final = 15
#: Without a watch for longer than this, what is known is no sight any more.
_PATIENCE_S: t.Final = 2.0
#: A server that starts may refuse what it allowed before, until it has read its rules again.
_DOUBT_S: t.Final = 5.0
_FIRST_PAUSE_S: t.Final = 0.1
_LONGEST_PAUSE_S: t.Final = 2.0
_LONGEST_WISH_S: t.Final = 30.0
#: A watch that lasted this long was no failure, however it ended.
_LASTED_S: t.Final = 1.0
_CLOSING_S: t.Final = 0.5


class _Refused(Exception):
    """The server answered, and not with events."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Watch:
    """One kind in one namespace. `changed` is set whenever the next snapshot may differ from the last one.

    The thread starts with the first snapshot, because Ansible forks, and threads do not come along. It only reads; a
    thread per kind is enough, since a gate has three to six of them.
    """

    def __init__(
        self,
        kube: KubeApi,
        api_version: str,
        kind: str,
        namespace: str,
        *,
        trim: Trim,
        changed: threading.Event,
        labels: str = "",
    ) -> None:
        self._kube = kube
        self._which = (api_version, kind, namespace, labels)
        self._what = f"watch {kind} {namespace}"
        self._trim = trim
        self._changed = changed
        self._lock = threading.Lock()
        self._objects: dict[str, JsonObject] = {}
        #: Where the next watch starts; empty when there has to be a list before.
        self._version = ""
        self._thread: threading.Thread | None = None
        self._stream: Stream | None = None
        self._closing = threading.Event()
        #: The first watch was accepted, or will never be.
        self._settled = threading.Event()
        #: Since when there is no watch, and why; None while there is one.
        self._unseen: tuple[float, ApiError] | None = None
        self._patient_until = 0.0
        self._refused_since: float | None = None
        self._final: Exception | None = None

    def start(self) -> None:
        """List, and begin to watch, unless it has begun. Raises ApiError."""
        if self._thread is not None:
            return
        self._list()
        self._lose(self._trouble("no answer yet"))
        # On the real clock: it is the thread that is waited for.
        self._patient_until = time.monotonic() + _PATIENCE_S
        self._thread = threading.Thread(target=self._run, name=self._what, daemon=True)
        self._thread.start()

    def snapshot(self) -> list[JsonObject]:
        """The objects as they are now, not to be written to.

        Raises ApiError: retriable while there has been no watch for two seconds, else a refusal that will not pass.
        """
        self.start()
        if not self._settled.is_set():
            # Who may list and not watch finds out now, and not when something happens.
            self._settled.wait(max(0.0, self._patient_until - time.monotonic()))
            self._settled.set()
        with self._lock:
            if self._final is not None:
                raise self._final
            if self._unseen is not None and self._kube.clock.monotonic() - self._unseen[0] > _PATIENCE_S:
                raise self._unseen[1]
            return list(self._objects.values())

    def refresh(self) -> list[JsonObject]:
        """The objects by a fresh list. A watch that did not know as much may be dead: the next one starts from there.

        Raises ApiError.
        """
        objects, version = self._fresh()
        with self._lock:
            if objects != self._objects:
                self._objects, self._version = objects, version
                if self._stream is not None:
                    # Should it still say something older, the next watch starts from that, and hears of the rest.
                    self._stream.close()
        return list(objects.values())

    def close(self) -> None:
        """End the thread and its connection. The thread may still wait for a list; it ends with the process then."""
        self._closing.set()
        with self._lock:
            if self._stream is not None:
                self._stream.close()
        if self._thread is not None:
            self._thread.join(_CLOSING_S)

    def _run(self) -> None:
        tries = 0
        while not self._closing.is_set():
            began, wish = self._kube.clock.monotonic(), 0.0
            try:
                if not self._version:
                    self._list()
                self._follow()
                error = self._trouble("ended")
            except (NoAnswer, _Refused) as met:
                error, wish = self._kube.trouble(self._what, met if isinstance(met, NoAnswer) else met.answer)
                if isinstance(met, _Refused) and is_forgotten(met.answer):
                    self._version = ""
            except ApiError as refusal:
                error = refusal
            except Exception as problem:
                # Nobody else would ever hear of it, and the gate would go on with what it knew.
                self._give_up(problem)
                return
            if self._closing.is_set() or self._refused_for_good(error):
                return
            self._lose(error)
            tries = 0 if self._kube.clock.monotonic() - began >= _LASTED_S and error.status == 0 else tries + 1
            self._closing.wait(max(back_off(tries), min(wish, _LONGEST_WISH_S)))

    def _fresh(self) -> tuple[dict[str, JsonObject], str]:
        items, version = self._kube.list_raw(*self._which, self._trim)
        return {str(item["metadata"]["uid"]): item for item in items}, version

    def _list(self) -> None:
        objects, version = self._fresh()
        with self._lock:
            differs = objects != self._objects
            self._objects, self._version = objects, version
        if differs:
            self._changed.set()

    def _follow(self) -> None:
        """One watch to its end."""
        with contextlib.closing(self._kube.watch(*self._which, version=self._version, lasting_s=_WATCH_S)) as stream:
            if stream.status != 200:
                raise _Refused(Answer(stream.status, b"\n".join(stream.lines()), stream.headers))
            with self._lock:
                if self._closing.is_set():
                    return
                self._stream, self._unseen, self._refused_since = stream, None, None
            self._settled.set()
            try:
                for line in stream.lines():
                    self._take(line)
            finally:
                with self._lock:
                    self._stream = None

    def _take(self, line: bytes) -> None:
        """One event. Only a whole one moves the resourceVersion, so that half a line is sent again."""
        try:
            event = json.loads(line)
            kind, obj = str(event["type"]), event["object"]
            if kind == "ERROR":
                raise _Refused(Answer(int(obj.get("code") or 500), json.dumps(obj).encode(), {}))
            meta = obj["metadata"]
            version = str(meta["resourceVersion"])
            uid = "" if kind == "BOOKMARK" else str(meta["uid"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NoAnswer("a line that is no event", timeout=False, sent=True) from error
        kept = self._trim(obj) if kind in ("ADDED", "MODIFIED") else None
        if kept is not None:
            kept = {"apiVersion": self._which[0], "kind": self._which[1], **kept}
        with self._lock:
            self._version = version
            if not uid or self._objects.get(uid) == kept:
                return
            if kept is None:
                del self._objects[uid]
            else:
                self._objects[uid] = kept
        self._changed.set()

    def _trouble(self, problem: str) -> ApiError:
        text = f"{self._kube.region}: {self._what}: {problem}"
        return ApiError(text, kind="unreachable", region=self._kube.region, retriable=True)

    def _lose(self, error: ApiError) -> None:
        """There is no watch now. It counts from the first time, whatever else goes wrong meanwhile."""
        patient = ApiError(
            error.message, kind=error.kind, status=error.status, region=self._kube.region, retriable=True
        )
        with self._lock:
            since = self._unseen[0] if self._unseen is not None else self._kube.clock.monotonic()
            self._unseen = (since, patient)

    def _refused_for_good(self, error: ApiError) -> bool:
        """What was never allowed will not be; what was, is asked for a few times more."""
        if error.retriable:
            self._refused_since = None
            return False
        now = self._kube.clock.monotonic()
        if self._refused_since is None:
            self._refused_since = now
        if self._settled.is_set() and now - self._refused_since <= _DOUBT_S:
            return False
        self._give_up(error)
        return True

    def _give_up(self, error: Exception) -> None:
        with self._lock:
            self._final = error
        self._settled.set()
        self._changed.set()


def back_off(tries: int) -> float:
    """Seconds until the next try after so many that failed: doubled each time, up to a bound, with jitter."""
    if tries == 0:
        return 0.0
    pause = min(_FIRST_PAUSE_S * 2 ** min(tries - 1, 16), _LONGEST_PAUSE_S)
    return random.uniform(pause / 2, pause)


def is_forgotten(answer: Answer) -> bool:
    """Whether only a new list helps: the version is too old, or newer than a server that was restored knows."""
    return answer.status == 410 or b"Too large resource version" in answer.body
