# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real questions: whether the authority answers as the weights say, and whether resolvers keep to the TTL."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns import decide_shares
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_shares import Counts
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.decide_weights import shares
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.model import JsonObject, WeightedSet
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.resolver import Resolver
from ansible_collections.pincex.zero_downtime.plugins.module_utils._dns.task import Task

#: A server whose health checks begin with the first question answers for every region until they have ended.
_TRIES: t.Final = 5
_PAUSE_S: t.Final = 2.0
#: A cache gives the same answer again, so a few are enough.
_OF_A_CACHE: t.Final = 3


@dataclasses.dataclass(frozen=True)
class _Look:
    """One count. `problem` is empty when the answers are what the weights give."""

    counts: Counts
    p: float
    problem: str


def verify(task: Task, found: WeightedSet, weights: Mapping[str, int]) -> None:
    """Count answers at the authority, ask the resolvers, and tell both. Raises ReleaseError of kind `not_proved`."""
    options = task.options
    told: JsonObject = {"queries": 0, "p": None, "counts": {}, "resolvers": {}}
    task.told["verified"] = told
    problems = []
    uncountable = decide_shares.not_countable(found.members)
    if options.queries and task.authority is None:
        task.warn(
            f"{task.title}: no authority is given, so nobody counted what it answers; give "
            f"{task.provider.name}.authority"
        )
    elif options.queries and uncountable:
        task.warn(f"{task.title}: answers cannot be counted by region: {uncountable}")
    elif options.queries and task.authority is not None:
        look = _at_authority(task, task.authority, found, weights)
        told |= {"queries": options.queries, "p": look.p, "counts": look.counts.regions}
        problems += [look.problem] if look.problem else []
    for resolver in task.resolvers:
        problem, seen = _through(task, resolver, found, uncountable is None)
        told["resolvers"][resolver.address] = seen
        problems += [problem] if problem else []
    if problems:
        raise ReleaseError(
            f"{task.title}: the weights are written and the answers are not what they give: {'; '.join(problems)}",
            kind="not_proved",
            system="dns",
            retriable=True,
        )


def _at_authority(task: Task, authority: Resolver, found: WeightedSet, weights: Mapping[str, int]) -> _Look:
    for left in reversed(range(_TRIES)):
        healthy = task.health(found)
        task.told["healthy"] = {member.region: healthy.get(member.region) for member in found.members}
        look = _look(task, authority, found, decide_shares.answering(weights, healthy))
        if not look.problem or not left or task.clock.monotonic() + _PAUSE_S >= task.end:
            break
        task.progress(f"{task.title}: {look.problem}; asking again in {_PAUSE_S:g} s")
        task.clock.sleep(_PAUSE_S)
    return look


def _look(task: Task, authority: Resolver, found: WeightedSet, answering: Mapping[str, int]) -> _Look:
    queries = task.options.queries
    answers = authority.ask(found.name, found.type, queries, task.end)
    counts = decide_shares.counted(answers, found.members)
    p = decide_shares.fit(counts.regions, answering)
    told = ", ".join(f"{region} {count}" for region, count in counts.regions.items())
    if counts.problems:
        return _Look(counts, p, f"{authority.address}: {'; '.join(counts.problems)}")
    if p <= decide_shares.LEAST_P:
        expected = shares(answering)
        wanted = ", ".join(f"{region} {100 * share:.3g} %" for region, share in expected.items())
        return _Look(
            counts,
            p,
            f"{authority.address} answered {told} of {queries}, and {wanted} is expected (p = {p:.2g}, at least "
            f"{decide_shares.LEAST_P:g})",
        )
    task.progress(f"{task.title}: {authority.address} answered {told} of {queries} (p = {p:.2g})")
    return _Look(counts, p, "")


def _through(task: Task, resolver: Resolver, found: WeightedSet, countable: bool) -> tuple[str, JsonObject]:
    """One caching resolver. What is no answer at all is a warning: it says nothing about the set."""
    answers = resolver.ask(found.name, found.type, _OF_A_CACHE, task.end, recursive=True)
    heard = [answer for answer in answers if not answer.problem]
    counts = decide_shares.counted(heard, found.members)
    ttl = max((answer.ttl for answer in heard), default=None)
    seen: JsonObject = {"answers": len(heard), "ttl": ttl, "counts": counts.regions}
    if not heard:
        task.warn(f"{task.title}: the resolver {resolver.address} gave no answer ({answers[0].problem})")
        return "", seen
    if ttl is not None and ttl > found.ttl:
        return f"the resolver {resolver.address} gave a TTL of {ttl} s, and the set has {found.ttl} s", seen
    if countable and counts.problems:
        return f"the resolver {resolver.address}: {'; '.join(counts.problems)}", seen
    return "", seen
