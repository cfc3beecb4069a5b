# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Was a region out of the traffic while it was changed? Pure: the writes of one playbook in their order, judged.

What stands in the end does not say that: a region that was changed under traffic may look the same afterwards.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

from chaos.proxy import Counted

Weights = c.Mapping[str, int]

#: What has the traffic of a region, and how large it is. Accounts, journals and locks may change at any time.
_SLOTS: t.Final = ("deployments/", "httproutes/", "horizontalpodautoscalers/")
#: Steps in the journal of the fleet: the first one begins a release, and after the others there is nothing to wait for.
_BEGUN: t.Final = "open"
_DECIDED: t.Final = ("keep", "undo", "closed")


def changed_in_traffic(writes: c.Iterable[Counted], weights: Weights, fleet: str) -> list[str]:
    """Sentences about regions that a deploy changed while they had a weight, from its beginning to its decision.
    `weights` are those before the first write; `fleet` is the site of the fleet's journal."""
    now, at_work = dict(weights), False
    found: dict[str, str] = {}
    for counted in writes:
        now |= dict(counted.write.weights)
        if counted.site == fleet:
            step = counted.write.step
            at_work = step == _BEGUN or (at_work and step not in _DECIDED)
        elif at_work and now.get(counted.site) and counted.write.what.startswith(_SLOTS):
            told = f"{counted.site}: was changed while it had the weight {now[counted.site]}: {counted.write}"
            found.setdefault(counted.site, told)
    return list(found.values())


def changed_when_back(writes: c.Iterable[Counted], weights: Weights) -> list[str]:
    """Sentences about regions that a recovery gave weight and changed afterwards: they were not back yet. `weights` are
    those before the first write."""
    now: dict[str, int] = dict(weights)
    raised: dict[str, int] = {}
    found: dict[str, str] = {}
    for counted in writes:
        written = dict(counted.write.weights)
        raised |= {region: weight for region, weight in written.items() if weight > now.get(region, 0)}
        now |= written
        if counted.site in raised and counted.write.what.startswith(_SLOTS):
            told = f"{counted.site}: got the weight {raised[counted.site]}, and was changed afterwards: {counted.write}"
            found.setdefault(counted.site, told)
    return list(found.values())
