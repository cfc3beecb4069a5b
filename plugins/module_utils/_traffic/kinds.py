# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of objects that give the traffic of a service to its slots. Pure.

`route` in options, results and sentences is either: the HTTPRoute of a service, or its Service that selects a slot.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic import route, selector

JsonObject = dict[str, t.Any]


class RouteKind(t.Protocol):
    """What one kind has to be able to do; the modules `route` and `selector` are."""

    @property
    def API_VERSION(self) -> str: ...

    @property
    def KIND(self) -> str: ...

    def weights_of(self, obj: Mapping[str, t.Any], /) -> dict[str, int] | None:
        """The weights of the slots; None when the object sends to no slots."""

    def with_weights(self, obj: Mapping[str, t.Any], weights: Mapping[str, int], /) -> JsonObject:
        """The object with other weights, and everything else as it is."""

    def not_carried(self, weights: Mapping[str, int], /) -> str | None:
        """Why it cannot carry these weights; None when it can."""

    def no_slots(self, name: str, /) -> str:
        """What is said of an object without weights."""


#: The first is the default.
KINDS: t.Final[Mapping[str, RouteKind]] = {route.KIND: route, selector.KIND: selector}


def weights_of(obj: Mapping[str, t.Any]) -> dict[str, int] | None:
    """The weights in an object of either kind."""
    return KINDS[obj["kind"]].weights_of(obj)


def with_weights(obj: Mapping[str, t.Any], weights: Mapping[str, int]) -> JsonObject:
    """An object of either kind with other weights."""
    return KINDS[obj["kind"]].with_weights(obj, weights)
