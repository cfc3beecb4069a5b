# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Order services by what they depend on. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class CycleError(ValueError):
    """Services that wait for each other; the message names the circle."""


def tiers_of(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Group names so that everything a name depends on stands in an earlier group.

    Names inside a group keep the order of the catalogue. Dependencies outside `edges` count as met: a release may
    take only some services along.
    """
    waiting = {name: {other for other in wanted if other in edges} for name, wanted in edges.items()}
    tiers: list[list[str]] = []
    done: set[str] = set()
    while waiting:
        tier = [name for name, wanted in waiting.items() if wanted <= done]
        if not tier:
            raise CycleError(f"{_circle(waiting)} depend on each other in a circle")
        tiers.append(tier)
        done.update(tier)
        for name in tier:
            del waiting[name]
    return tiers


def _circle(waiting: Mapping[str, set[str]]) -> str:
    """Walk from any waiting name to a name it still waits for until one comes twice."""
    path: list[str] = []
    name = next(iter(waiting))
    while name not in path:
        path.append(name)
        name = min(other for other in waiting[name] if other in waiting)
    return " -> ".join([*path[path.index(name) :], name])
