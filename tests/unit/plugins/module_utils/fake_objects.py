# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fake API server does to objects: merge patches, and the fields that server-side apply knows."""

from __future__ import annotations

import typing as t

Json = dict[str, t.Any]
Path = tuple[str, ...]


def copied(value: t.Any) -> t.Any:
    """A deep copy of what JSON knows: half of a sweep's time was `copy.deepcopy`, which asks for more."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def merged(old: t.Any, patch: t.Any) -> t.Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = copied(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _named(value: t.Any) -> bool:
    """Whether the list is a map by name, as containers and ports are."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "name" in item for item in value)


def leaves(obj: t.Any, path: Path = ()) -> t.Iterator[tuple[Path, t.Any]]:
    if path in (("apiVersion",), ("kind",), ("status",)) or (len(path) == 2 and path[0] == "metadata" and _fixed(path)):
        return
    if isinstance(obj, dict) and obj:
        for key, value in obj.items():
            yield from leaves(value, (*path, key))
    elif _named(obj) and "rules" not in path:
        for item in obj:
            yield from leaves(item, (*path, f"[{item['name']}]"))
    else:
        yield path, obj


def _fixed(path: Path) -> bool:
    return path[1] not in ("labels", "annotations", "finalizers", "ownerReferences")


def overlaid(old: t.Any, new: t.Any) -> t.Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**copied(old), **{key: overlaid(old.get(key), value) for key, value in new.items()}}
    if _named(old) and _named(new):
        mine = {item["name"]: item for item in new}
        kept = [overlaid(item, mine.pop(item["name"])) if item["name"] in mine else item for item in old]
        return copied(kept) + list(mine.values())
    return copied(new)


def remove(obj: t.Any, path: Path) -> None:
    for step in path[:-1]:
        if isinstance(obj, list):
            obj = next((item for item in obj if step == f"[{item.get('name')}]"), {})
        else:
            obj = obj.get(step, {})
    if isinstance(obj, dict):
        obj.pop(path[-1], None)


def dotted(path: Path) -> str:
    return "." + ".".join(path)


def bare(obj: Json) -> Json:
    """Without what the server writes by itself."""
    meta = {key: value for key, value in obj["metadata"].items() if key not in ("resourceVersion", "generation", "uid")}
    return {**obj, "metadata": meta}
