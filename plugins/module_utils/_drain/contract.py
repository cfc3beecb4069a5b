# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control contract: which request asks an exchange for what, and how its answer is read. Pure.

The default is docs/control-api.yaml. The option `contract` changes single entries of it: path, method, query, body, the
JMESPath that reads a field, or `offered: false` for what that exchange cannot do.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
import urllib.parse
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.jmes import Expression

JsonObject = dict[str, t.Any]
Side = t.Literal["engine", "gateway"]

#: What an exchange can allow, from most to least.
MODES: t.Final = ("online", "post_only", "cancel_only", "halted")

_PLACE: t.Final = re.compile(r"\{(\w+)\}")
_PLAIN: t.Final = re.compile(r"[A-Za-z_]\w*")
_METHODS: t.Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _read(path: str, answer: str, query: Mapping[str, str] | None = None, root: str = "@") -> JsonObject:
    return {"method": "GET", "path": path, "query": query or {}, "body": None, "root": root, "answer": _same(answer)}


def _write(path: str, body: str, answer: str = "", method: str = "POST", root: str = "@") -> JsonObject:
    filled = {name: f"{{{name}}}" for name in [*body.split(), "command_id"]}
    return {"method": method, "path": path, "query": {}, "body": filled, "root": root, "answer": _same(answer)}


def _same(names: str) -> dict[str, str]:
    """Fields that are read by their own name."""
    return {name: name for name in names.split()}


_PROOF: t.Final = "projection sequence epoch mode state_hash orders books balances trades hidden streams extra"

#: What is asked, with everything at its default. `values` are the names that path, query and body may hold.
DEFAULT: t.Final[Mapping[Side, Mapping[str, JsonObject]]] = {
    "engine": {
        "status": {
            **_read("/control/status", "name version role mode epoch sequence durable_sequence projection"),
            "answer": {
                **_same("name version role mode epoch sequence durable_sequence projection announcement journal_ok"),
                **_same("pending_settlements settlements_oldest_s disk_free_bytes"),
                "format_writes": "format.writes",
                "format_reads": "format.reads",
                "follow_url": "follow.url",
                "lag_events": "follow.lag_events",
                "follow_error": "follow.error",
                "follow_problem": "follow.problem",
                "snapshot_sequence": "snapshot.sequence",
                "snapshot_sha256": "snapshot.sha256",
            },
        },
        "announce": _write("/control/announce", "reason effective_at deadline_at"),
        "withdraw": _write("/control/announce", "", method="DELETE"),
        "mode": _write("/control/mode", "mode reason pause_timers", "sequence mode"),
        "settlements": _read("/control/settlements", "pending"),
        "snapshot": _write(
            "/control/snapshot", "", "sequence sha256 state_hash orders format proof", root="manifest || @"
        ),
        "verify": _write("/control/verify", "sequence snapshot url", _PROOF, root="proof || @"),
        "proof": _read("/control/proof", _PROOF, {"sequence": "{sequence}"}, root="proof || @"),
        "items": _read("/control/items", "items", {"kind": "{kind}", "bucket": "{bucket}"}),
        "cut": _write("/control/cut", "deadline_s", "epoch sequence until at_ms"),
        "open": {
            **_write("/control/open", "epoch", "epoch sequence at_ms"),
            "body": {
                "epoch": "{epoch}",
                "after": {"epoch": "{after_epoch}", "sequence": "{after_sequence}"},
                "command_id": "{command_id}",
            },
        },
        "follow": _write("/control/follow", "url"),
        "finish": _write("/control/finish", ""),
        "acks": _write("/control/acks", "acks", "missing"),
    },
    "gateway": {
        "status": {
            **_read("/control/status", ""),
            "answer": {
                **_same("name version accepted acknowledged in_flight held held_oldest_s ready"),
                "engine_epoch": "engine.epoch",
                "engine_url": "engine.url",
                "websocket": "sessions.websocket",
                "fix": "sessions.fix",
            },
        },
        "acks": _read("/control/acks", "acks next", {"after": "{after}"}),
        "close": _write("/control/close", "code waves jitter_s reason", "closed left"),
        "ready": _write("/control/ready", "ready"),
    },
}

#: What a mapping may use besides what the default uses: the same instants as text in ISO 8601.
_MORE: t.Final = {"announce": ("effective_at_text", "deadline_at_text")}

#: Without these an exchange cannot be drained at all.
_NEEDED: t.Final[Mapping[Side, tuple[str, ...]]] = {"engine": ("status", "mode"), "gateway": ("status",)}


@dataclasses.dataclass(frozen=True)
class Call:
    """One request of the contract."""

    side: Side
    name: str
    method: str
    path: str
    query: Mapping[str, t.Any]
    body: t.Any
    root: Expression | None
    answer: Mapping[str, Expression | str]
    offered: bool = True

    @property
    def writes(self) -> bool:
        """Whether it may change something at the exchange, whatever its method is."""
        return "command_id" in values_of(self.side, self.name)

    def request(self, values: Mapping[str, t.Any]) -> tuple[str, t.Any]:
        """Path with query, and body. What is None is left out."""
        path = _PLACE.sub(lambda match: urllib.parse.quote(str(values[match[1]]), safe=""), self.path)
        query = {key: _filled(value, values) for key, value in self.query.items()}
        given = urllib.parse.urlencode({key: value for key, value in query.items() if value is not None})
        return path + (f"?{given}" if given else ""), _filled(self.body, values)

    def read(self, body: t.Any) -> JsonObject:
        """The fields of an answer; None for what is not there. Raises ValueError naming the expression."""
        try:
            found = self.root.search(body) if self.root is not None else body
        except ValueError as error:
            raise ValueError(f"root: {error}") from error
        fields: JsonObject = {}
        for name, expression in self.answer.items():
            if isinstance(expression, str):
                fields[name] = found.get(expression) if isinstance(found, dict) else None
                continue
            try:
                fields[name] = expression.search(found)
            except ValueError as error:
                raise ValueError(f"answer.{name}: {error}") from error
        return fields


@dataclasses.dataclass(frozen=True)
class Contract:
    """How to speak to one exchange. `modes` are its own words for ours."""

    engine: Mapping[str, Call]
    gateway: Mapping[str, Call]
    modes: Mapping[str, t.Any]

    def our_mode(self, theirs: t.Any) -> str | None:
        """The mode as the collection calls it; None for one that nobody has mapped."""
        return next((ours for ours, word in self.modes.items() if word == theirs), None)


def contract_of(given: Mapping[str, t.Any] | None) -> Contract:
    """The default with what is given laid over it. Raises OptionError naming the entry."""
    given = given or {}
    _known(given, ("engine", "gateway", "modes"), "")
    sides: dict[str, dict[str, Call]] = {}
    for side, calls in DEFAULT.items():
        changes = _mapping(given.get(side) or {}, side)
        _known(changes, calls, f"{side}.")
        sides[side] = {name: _call(side, name, default, changes.get(name)) for name, default in calls.items()}
        for name in _NEEDED[side]:
            if not sides[side][name].offered:
                raise OptionError("contract", f"{side}.{name} has to be offered, nothing works without it")
    modes = {mode: mode for mode in MODES} | _mapping(given.get("modes") or {}, "modes")
    _known(modes, MODES, "modes.")
    if len({str(word) for word in modes.values()}) < len(MODES):
        raise OptionError("contract", "modes: two modes have the same word")
    return Contract(sides["engine"], sides["gateway"], modes)


def values_of(side: Side, name: str) -> frozenset[str]:
    """The names that path, query and body of a call may hold: those that its default holds, and a few more."""
    default = DEFAULT[side][name]
    return frozenset([*_places([default["path"], default["query"], default["body"]]), *_MORE.get(name, ())])


def _call(side: Side, name: str, default: Mapping[str, t.Any], given: t.Any) -> Call:
    where = f"{side}.{name}"
    changes = _mapping(given or {}, where)
    _known(changes, (*default, "offered"), f"{where}.")
    entry = {**default, **changes}
    method = str(entry["method"]).upper()
    if method not in _METHODS:
        raise OptionError("contract", f"{where}.method: {method} is none of {', '.join(_METHODS)}")
    if not isinstance(entry["path"], str) or not entry["path"].startswith("/"):
        raise OptionError("contract", f"{where}.path: has to start with /")
    if not isinstance(entry.get("offered", True), bool):
        raise OptionError("contract", f"{where}.offered: is true or false")
    allowed = values_of(side, name)
    for part in ("path", "query", "body"):
        for place in _places(entry[part]):
            if place not in allowed:
                known = ", ".join(f"{{{value}}}" for value in sorted(allowed)) or "none"
                raise OptionError(
                    "contract", f"{where}.{part}: there is no value {{{place}}} here (there are: {known})"
                )
    answers = _mapping(changes.get("answer") or {}, f"{where}.answer")
    _known(answers, default["answer"], f"{where}.answer.")
    root = str(entry["root"])
    return Call(
        side,
        name,
        method,
        entry["path"],
        _mapping(entry["query"] or {}, f"{where}.query"),
        entry["body"],
        None if root == "@" else _expression(root, f"{where}.root"),
        {field: _reader(str(text), f"{where}.answer.{field}") for field, text in (default["answer"] | answers).items()},
        entry.get("offered", True),
    )


def _reader(text: str, where: str) -> Expression | str:
    """A plain name needs no library."""
    return text if _PLAIN.fullmatch(text) else _expression(text, where)


def _expression(text: str, where: str) -> Expression:
    try:
        return Expression(text)
    except ValueError as error:
        raise OptionError("contract", f"{where}: {text!r} is no JMESPath expression: {error}") from error


def _known(given: Mapping[str, t.Any], known: t.Collection[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise OptionError("contract", f"{where}{name} does not exist (there are: {', '.join(known)})")


def _mapping(value: t.Any, where: str) -> JsonObject:
    if not isinstance(value, Mapping):
        raise OptionError("contract", f"{where}: is no mapping")
    return dict(value)


def _places(template: t.Any) -> list[str]:
    if isinstance(template, str):
        return _PLACE.findall(template)
    inner = template.values() if isinstance(template, Mapping) else template if isinstance(template, list) else ()
    return [place for value in inner for place in _places(value)]


def _filled(template: t.Any, values: Mapping[str, t.Any]) -> t.Any:
    """The template with its values. A text that is one place and nothing else becomes the value with its type."""
    if isinstance(template, str):
        whole = _PLACE.fullmatch(template)
        return values[whole[1]] if whole else _PLACE.sub(lambda match: str(values[match[1]]), template)
    if isinstance(template, Mapping):
        filled = {key: _filled(value, values) for key, value in template.items()}
        return {key: value for key, value in filled.items() if value is not None}
    return [_filled(value, values) for value in template] if isinstance(template, list) else template
