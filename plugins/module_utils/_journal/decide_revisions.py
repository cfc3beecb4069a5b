# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which recorded revisions stay. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Iterable, Mapping

#: How many revisions a cluster keeps. The fleet's are headers only, and the history of the environment.
KEPT: t.Final[Mapping[str, int]] = {"region": 20, "fleet": 50}


def decide_prune(
    numbers: Iterable[int],
    came_from: int | None,
    keep: int,
    pinned: Collection[int] = (),
    follows: Mapping[int, int] | None = None,
) -> list[int]:
    """The numbers that go: all but the newest `keep`, the `pinned`, and the one that the release which ends now came
    from.

    `follows` has for a release that only brought regions up the number of the one that it follows. Such a family is one
    revision of the environment, and stays or goes as a whole.
    """
    followed = follows or {}
    ordered = sorted(set(numbers))
    families = {followed.get(number, number) for number in ordered[-keep:]}
    families |= {followed.get(number, number) for number in (*pinned, came_from) if number is not None}
    return [number for number in ordered if followed.get(number, number) not in families]
