# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON trees of Kubernetes objects: what differs, and the three-way way back, field by field. Pure.

None stands for "not there": the API server keeps no nulls.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t
from collections.abc import Collection, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import TOKEN_ANNOTATION

JsonObject = dict[str, t.Any]

#: What the API server keeps about an object, and nobody writes.
_SERVER_METADATA: t.Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)


class Kept(t.NamedTuple):
    """A field that somebody else changed after us: it stays as it is."""

    path: str
    before: t.Any
    after: t.Any
    live: t.Any


def strip(obj: Mapping[str, t.Any]) -> JsonObject:
    """The object without status and without what the server keeps about it."""
    kept = {key: copy.deepcopy(value) for key, value in obj.items() if key not in ("status", "metadata")}
    kept["metadata"] = {
        key: copy.deepcopy(value) for key, value in obj["metadata"].items() if key not in _SERVER_METADATA
    }
    annotations = kept["metadata"].get("annotations") or {}
    if annotations.pop(TOKEN_ANNOTATION, None) is not None and not annotations:
        del kept["metadata"]["annotations"]
    return kept


def noted(obj: Mapping[str, t.Any]) -> JsonObject:
    """What a journal keeps of an object. The uid stays: it tells an object from its successor of the same name."""
    kept = strip(obj)
    if "uid" in obj["metadata"]:
        kept["metadata"]["uid"] = obj["metadata"]["uid"]
    return kept


def dress(state: Mapping[str, t.Any], live: Mapping[str, t.Any]) -> JsonObject:
    """A stripped object with the status and the server's metadata of the live one: what a replace sends."""
    dressed = copy.deepcopy(dict(state))
    for key in _SERVER_METADATA:
        if key in live["metadata"]:
            dressed["metadata"][key] = copy.deepcopy(live["metadata"][key])
    if "status" in live:
        dressed["status"] = copy.deepcopy(live["status"])
    return dressed


def differences(before: t.Any, after: t.Any, path: str = "") -> dict[str, JsonObject]:
    """Path -> before and after, for every leaf that differs."""
    if before == after:
        return {}
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        found: dict[str, JsonObject] = {}
        for key in sorted({*before, *after}):
            found |= differences(before.get(key), after.get(key), _join(path, key))
        return found
    if isinstance(before, list) and isinstance(after, list) and _keyed(before) and _keyed(after):
        old, new = _by_name(before), _by_name(after)
        found = {}
        for name in sorted({*old, *new}):
            found |= differences(old.get(name), new.get(name), f"{path}[{name}]")
        if found:
            return found
    return {path: {"before": before, "after": after}}


@dataclasses.dataclass
class WayBack:
    """Takes changes of one object back, newest first, and remembers what stays as somebody else made it.

    `ours` are paths whose later changes count as ours.
    """

    ours: Collection[str] = ()
    kept: dict[str, Kept] = dataclasses.field(default_factory=dict)
    _theirs: set[str] = dataclasses.field(default_factory=set)

    def take_back(self, before: t.Any, after: t.Any, live: t.Any, path: str = "") -> t.Any:
        """What `live` becomes without our change from `before` to `after`.

        Only where the live value still is what the server answered to our write it becomes the one from before. What
        somebody else changed since stays, whatever older changes of ours say of it.
        """
        if after == before:
            return live
        if live == before or any(_within(path, other) for other in self._theirs):
            if live == before:
                # As it was: nobody has to be told, also when a newer change of ours took it for somebody else's.
                self.kept = {other: found for other, found in self.kept.items() if not _within(other, path)}
            return live
        if path in self.ours or (live == after and not any(_within(other, path) for other in self._theirs)):
            return before
        known = [value for value in (before, after, live) if value is not None]
        if live is not None and all(isinstance(value, Mapping) for value in known):
            return self._dict_back(before, after or {}, live, path)
        if live is not None and all(isinstance(value, list) and _keyed(value) for value in known):
            return self._list_back(before, after or [], live, path)
        self.kept[path] = Kept(path, before, after, live)
        self._theirs.add(path)
        return live

    def _dict_back(
        self, before: Mapping[str, t.Any] | None, after: Mapping[str, t.Any], live: Mapping[str, t.Any], path: str
    ) -> JsonObject | None:
        old, result = before or {}, dict(live)
        for key in sorted({*old, *after, *live}):
            value = self.take_back(old.get(key), after.get(key), live.get(key), _join(path, key))
            if value is None:
                result.pop(key, None)
            else:
                result[key] = value
        # A map that we had made and that holds nothing of anybody else goes with its content; `emptyDir: {}` stays.
        return result if result or before is not None else None

    def _list_back(
        self, before: list[t.Any] | None, after: list[t.Any], live: list[t.Any], path: str
    ) -> list[t.Any] | None:
        old, new, now = _by_name(before or []), _by_name(after), _by_name(live)
        result = {}
        for name in [*now, *(name for name in old if name not in now)]:
            value = self.take_back(old.get(name), new.get(name), now.get(name), f"{path}[{name}]")
            if value is not None:
                result[name] = value
        # The order can matter (the first container, an env that uses an earlier one).
        names = list(old) if set(old) == set(result) else list(result)
        return [result[name] for name in names] if result or before is not None else None


def get_path(obj: t.Any, path: str) -> t.Any:
    """The value at a dotted path, None when it is not there."""
    for key in path.split("."):
        if not isinstance(obj, Mapping):
            return None
        obj = obj.get(key)
    return obj


def set_path(obj: Mapping[str, t.Any], path: str, value: t.Any) -> JsonObject:
    """A copy of the object with that value at a dotted path."""
    changed = copy.deepcopy(dict(obj))
    inner = changed
    *parents, last = path.split(".")
    for key in parents:
        if not isinstance(inner.get(key), dict):
            inner[key] = {}
        inner = inner[key]
    inner[last] = copy.deepcopy(value)
    return changed


def patch_of(path: str, value: t.Any) -> JsonObject:
    """The merge patch that sets one dotted path."""
    return set_path({}, path, value)


def _within(path: str, parent: str) -> bool:
    return not parent or path == parent or path.startswith((f"{parent}.", f"{parent}["))


def _keyed(value: list[t.Any]) -> bool:
    """Whether the items have names, as containers, ports and env have: such a list is a map to the API server."""
    names = [item.get("name") for item in value if isinstance(item, Mapping)]
    return len(names) == len(value) == len({name for name in names if isinstance(name, str)})


def _by_name(value: list[t.Any]) -> dict[str, t.Any]:
    return {item["name"]: item for item in value}


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
