# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow 3 as a registry of models, over REST.

One request gives the aliases and the tags of a registered model, so the history is kept there, an entry in each tag: it
outlives the versions that it tells of, and two writers cannot lose each other's entries.
"""

from __future__ import annotations

import base64
import json
import pathlib
import random
import typing as t
import urllib.parse
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import (
    OptionError,
    ReleaseError,
    TryLater,
    asked_wait_s,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import HttpSession, NoAnswer, Reply
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.pauses import Pauses, retry_after_s
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_promotion import in_order
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.model import JsonObject
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    ALIASES,
    Note,
    Registered,
    Step,
    Version,
    entry_of,
)

#: Of a registered model: one tag for each entry of the history.
HISTORY_TAG: t.Final = "pincex.history."
#: Of a version: what people and images call it.
NAME_TAG: t.Final = "version"

#: How long one request may take, where the options do not say.
REQUEST_S: t.Final = 5.0
_PAUSE_S: t.Final = 0.2
_LONGEST_PAUSE_S: t.Final = 2.0
#: Too little time for an answer: silence would say nothing about the server.
_SHORTEST_S: t.Final = 0.1
_PAGE: t.Final = 1000
_PATH: t.Final = "/api/2.0/mlflow/"


class Transport(t.Protocol):
    """The one thing that tests may replace."""

    def exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """The answer. Raises NoAnswer."""


class MlflowRegistry:
    """The protocol Registry, see registry.py."""

    name = "mlflow"

    def __init__(
        self,
        options: Mapping[str, t.Any],
        clock: Clock,
        api: Transport,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._url = options["url"].rstrip("/")
        self._token_file = options.get("token_file")
        self._username = options.get("username")
        self._password_file = options.get("password_file")
        self._request_s = options.get("timeout_s") or REQUEST_S
        self._clock = clock
        self._api = api
        self._chance = chance

    @classmethod
    def from_options(cls, options: Mapping[str, t.Any], clock: Clock) -> MlflowRegistry:
        """`options`: url, and where they are needed token_file, or username and password_file, ca_cert and timeout_s.
        Nothing is asked yet. Raises OptionError."""
        parts = urllib.parse.urlsplit(options["url"])
        # In all of it: a password with a # or a / in it ends the host before the @, and would be told as one.
        if "@" in options["url"]:
            raise OptionError("registry.url", "it holds a user; give username and password_file")
        if parts.query or parts.fragment:
            # A token stands there sometimes, so it is not told.
            raise OptionError("registry.url", "it goes on after a ? or a #; give token_file where it needs a token")
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise OptionError("registry.url", f"{options['url']} is not http:// or https:// with a host and a path")
        if bool(options.get("username")) != bool(options.get("password_file")):
            raise OptionError("registry.username", "username and password_file belong together; give both or none")
        if options.get("username") and options.get("token_file"):
            raise OptionError("registry.token_file", "there is a username as well; give one of them")
        for name in ("token_file", "password_file", "ca_cert"):
            path = options.get(name)
            if path is not None and not pathlib.Path(path).is_file():
                raise OptionError(f"registry.{name}", f"{path} is not a file")
        return cls(options, clock, HttpSession(clock, ca_cert=options.get("ca_cert")))

    # -- Registry

    def read(self, model: str, end: float) -> Registered:
        answer = self._get("registered-models/get", {"name": model}, end)
        found = answer.get("registered_model")
        if not isinstance(found, dict) or found.get("name") != model:
            raise self._error("answered something that is no registered model", "unreachable")
        numbers = {str(one["alias"]): str(one["version"]) for one in found.get("aliases", [])}
        texts = (str(tag["value"]) for tag in found.get("tags", []) if str(tag["key"]).startswith(HISTORY_TAG))
        entries = (entry_of(text) for text in texts)
        return Registered(
            {alias: numbers[alias] for alias in ALIASES if alias in numbers},
            in_order(entry for entry in entries if entry is not None),
        )

    def versions(self, model: str, end: float) -> tuple[Version, ...]:
        # There is no other way to ask for those of one model, and none to write a quote into it.
        if "'" in model:
            raise OptionError("model", f"{model} has a quote in its name, which MLflow cannot search for")
        found: list[Version] = []
        asked = {"filter": f"name='{model}'", "max_results": str(_PAGE)}
        while True:
            answer = self._get("model-versions/search", asked, end)
            found += [_version(one) for one in answer.get("model_versions", [])]
            if not answer.get("next_page_token"):
                return tuple(found)
            asked["page_token"] = answer["next_page_token"]

    def write(self, model: str, step: Step, end: float) -> None:
        if isinstance(step, Note):
            body = {"name": model, "key": f"{HISTORY_TAG}{step.entry.id}", "value": step.entry.to_text()}
            self._once("POST", "registered-models/set-tag", body, end)
        elif step.version is None:
            # Taking away what is not there is no error.
            self._once("DELETE", "registered-models/alias", {"name": model, "alias": step.alias}, end)
        else:
            body = {"name": model, "alias": step.alias, "version": step.version}
            self._once("POST", "registered-models/alias", body, end)

    # -- HTTP

    def _get(self, what: str, asked: Mapping[str, str], end: float) -> JsonObject:
        """Try until the end while the server is away. Raises ReleaseError."""
        pauses = Pauses(_PAUSE_S, _LONGEST_PAUSE_S, self._chance)
        while True:
            try:
                return self._once("GET", f"{what}?{urllib.parse.urlencode(asked)}", None, end)
            except ReleaseError as error:
                pause_s = pauses.next(asked_wait_s(error))
                if not error.retriable or self._clock.monotonic() + pause_s + _SHORTEST_S > end:
                    raise
            self._clock.sleep(pause_s)

    def _once(self, method: str, what: str, body: Mapping[str, str] | None, end: float) -> JsonObject:
        """One try. Raises ReleaseError."""
        left_s = min(self._request_s, end - self._clock.monotonic())
        if left_s < _SHORTEST_S:
            error = self._error("was not asked, because the time or the lock was about to end", "timeout", True)
            error.unsure = False
            raise error
        sent = None if body is None else json.dumps(body).encode()
        authorization, hidden = self._authorization()
        headers = {"Accept": "application/json", "Content-Type": "application/json", **authorization}
        try:
            reply = self._api.exchange(method, f"{self._url}{_PATH}{what}", sent, headers, left_s)
        except NoAnswer as error:
            kind = "timeout" if error.timeout else "unreachable"
            raise self._error(f"does not answer: {error}", kind, retriable=not error.hopeless) from error
        return self._answer(reply, hidden)

    def _answer(self, reply: Reply, hidden: Sequence[str]) -> JsonObject:
        """The one place that knows what the answers of MLflow mean. A missing version and a missing model are 404, a
        name that it does not take is 400. Everything else is asked for in a way that is no error when it is missing."""
        try:
            answer = json.loads(reply.body) if reply.body else None
        except ValueError:
            answer = None
        status = reply.status
        code = str(answer.get("error_code", "")) if isinstance(answer, dict) else ""
        said = self._said(reply, answer, hidden)
        if status == 401:
            raise self._error(f"wants {self._given()} (401){said}", "auth")
        if status == 403:
            raise self._error(f"does not let {self._given()} do this (403){said}", "auth")
        if status == 404 and code == "RESOURCE_DOES_NOT_EXIST":
            raise self._error(f"has no such thing (404){said}", "not_found")
        if status == 429 or status >= 500:
            kind, what = ("throttled", "asks for fewer requests (429)") if status == 429 else ("unreachable", "")
            wait_s = retry_after_s(reply.headers, self._clock.now())
            asked = f", and asks to wait {wait_s:.0f} s" if wait_s > 0 else ""
            text = f"MLflow at {self._url} {what or f'answered {status}'}{asked}{said}"
            raise TryLater(text, kind=kind, system=self.name, wait_s=wait_s)
        if not 200 <= status < 300:
            raise self._error(f"refuses the request ({status}){said}", "refused")
        if not isinstance(answer, dict):
            raise self._error("answered something that is no JSON object; look at the url", "refused")
        return answer

    def _said(self, reply: Reply, answer: t.Any, hidden: Sequence[str]) -> str:
        """What the server says of an error, on one line; nothing when one of our secrets is in it."""
        plain = str(reply.headers.get("Content-Type", "")).startswith("text/plain")
        text = str(answer.get("message", "")) if isinstance(answer, dict) else ""
        text = text or (reply.body.decode(errors="replace") if plain else "")
        text = " ".join(text.split())
        return f": {text[:300]}" if text and not any(secret in text for secret in hidden) else ""

    def _authorization(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Its header, and what of it may not be told."""
        # Read for every request: it may be renewed on disk.
        if self._token_file:
            token = _secret("token_file", self._token_file)
            return {"Authorization": f"Bearer {token}"}, (token,)
        if self._username and self._password_file:
            password = _secret("password_file", self._password_file)
            both = base64.b64encode(f"{self._username}:{password}".encode()).decode()
            return {"Authorization": f"Basic {both}"}, (password, both)
        return {}, ()

    def _given(self) -> str:
        """Who we say that we are."""
        if self._token_file:
            return f"another token than that of {self._token_file}"
        if self._username:
            return f"another user than {self._username}, or another password than that of {self._password_file}"
        return "a token_file, or a username and a password_file"

    def _error(self, text: str, kind: str, retriable: bool = False) -> ReleaseError:
        return ReleaseError(f"MLflow at {self._url} {text}", kind=kind, system=self.name, retriable=retriable)


def _version(found: JsonObject) -> Version:
    status = str(found.get("status", "READY"))
    why = f": {found['status_message']}" if found.get("status_message") else ""
    name = next((str(tag["value"]) for tag in found.get("tags", []) if tag["key"] == NAME_TAG), "")
    return Version(str(found["version"]), name, "" if status == "READY" else f"its status is {status}{why}")


def _secret(option: str, path: str) -> str:
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"registry.{option}", f"{path} cannot be read") from error
    if not text:
        raise OptionError(f"registry.{option}", f"{path} is empty")
    return text
