# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's values as Python's own.

Since 2.19 Ansible hands out containers that template themselves when they are read, and strings that know where they
were written. To copy the manifests of two services takes two seconds with them and ten milliseconds without.
"""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable, Mapping

_Plain = t.TypeVar("_Plain")


def plain(value: t.Any) -> t.Any:
    """The value as dict, list, str, int, float, bool and None; what is none of them (a vaulted string) stays."""
    if isinstance(value, Mapping):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    for kind in (str, int, float):
        if isinstance(value, kind) and not isinstance(value, bool):
            return kind(value)
    return value


def plainly(function: Callable[..., _Plain]) -> Callable[..., _Plain]:
    """A filter that is given plain values."""

    @functools.wraps(function)
    def called(*args: t.Any, **options: t.Any) -> _Plain:
        return function(*plain(args), **plain(options))

    return called
