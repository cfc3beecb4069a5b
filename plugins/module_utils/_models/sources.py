# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the records of answers and labels come from."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.arguments import Spec
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import Clock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import OptionError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.json_lines import JsonLines
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.redis_stream import PREFIX, RedisStream


class Source(t.Protocol):
    """What each kind of source does. Another one is a class with this method, and a line in KINDS."""

    name: str

    def lines(self, since: float, until: float, end: float) -> Iterator[bytes]:
        """Every record that arrived from `since` on and before `until` (unix seconds), in any order. One try, which is
        over at `end` (monotonic clock).

        Raises ReleaseError with `kind` (`unreachable`, `timeout`, `throttled`, `auth`, `refused`) and `retriable`, in
        between as well: then what came before is worth nothing, and whoever asks begins again.
        """


class _Maker(t.Protocol):
    def from_options(self, options: Mapping[str, t.Any], model: str, clock: Clock, /) -> Source:
        """The source of these options, which have its `name` as well. Nothing is asked yet. Raises OptionError."""


KINDS: t.Final[Mapping[str, _Maker]] = {"redis": RedisStream, "json_lines": JsonLines}

#: The options of one source: its name, and the option of its kind.
SPEC: t.Final[Spec] = {
    "name": {"type": "str", "required": True},
    "redis": {
        "type": "dict",
        "options": {
            "url": {"type": "str", "required": True},
            "mode": {"type": "str", "choices": ["single", "sentinel", "cluster"], "default": "single"},
            "service": {"type": "str"},
            "username": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "ca_cert": {"type": "path"},
            "client_cert": {"type": "path"},
            "client_key": {"type": "path", "no_log": False},
            "prefix": {"type": "str", "default": PREFIX},
        },
    },
    "json_lines": {
        "type": "dict",
        "options": {
            "url": {"type": "str", "required": True},
            "token_file": {"type": "path", "no_log": False},
            "ca_cert": {"type": "path"},
        },
    },
}


def sources_of(given: Sequence[Mapping[str, t.Any]], model: str, clock: Clock) -> list[Source]:
    """The sources of one model. Raises OptionError."""
    made: list[Source] = []
    for one in given:
        kinds = [kind for kind in KINDS if one.get(kind)]
        if len(kinds) != 1:
            raise OptionError("sources", f"{one['name']}: give one of {', '.join(KINDS)}; it has {len(kinds)} of them")
        if one["name"] in [source.name for source in made]:
            raise OptionError("sources", f"{one['name']}: another source has that name")
        made.append(KINDS[kinds[0]].from_options({**one[kinds[0]], "name": one["name"]}, model, clock))
    return made
