# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evacuate a region, bring it back, tell how it stands: what region.yml asks, and what it says."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.dns_options import (
    dns_problems,
    set_problems,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.followers import joined
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.hints import hint
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import confirm_problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import STANDING

JsonObject = dict[str, t.Any]

STATES: t.Final = ("evacuated", "restored", "status")
_CHANGES: t.Final = ("evacuated", "restored")


def region_request(request: Mapping[str, t.Any]) -> JsonObject:
    """The `state`, the `region` and the guards to `override` as they are meant, and the `problems`, one sentence each.
    A wrong ramp keeps nobody from taking a region out, or from looking.

    `request` has them as they were given, and `hosts`, `play` (the regions of this run), `dns`, `ramp_steps`,
    `ramp_hold_s`, `release_confirm`, `confirm` and `check_mode`.
    """
    state, region = _text(request.get("state")), _text(request.get("region"))
    hosts = [str(host) for host in request.get("hosts") or []]
    problems = []
    if state not in STATES:
        what = f"{state!r} is unknown" if state else "missing"
        problems.append(f"state: {what}; use -e state=evacuated, restored or status.")
    if region and region not in hosts:
        problems.append(f"region: unknown region {region}{hint(region, hosts)}.")
    elif not region and state in _CHANGES:
        problems.append(f"region: missing; say which one with -e region={hosts[0] if hosts else 'NAME'}.")
    elif region and region not in (request.get("play") or []):
        problems.append(f"--limit: it leaves out {region}; the region is named by -e region={region} alone.")
    dns = request.get("dns")
    if not dns:
        problems.append("dns: missing; it describes the set of weights of the regions.")
    elif state != "restored":
        problems += set_problems(dns)
    else:
        problems += dns_problems(request)
        full = dns.get("full") if isinstance(dns, Mapping) else None
        if region in hosts and isinstance(full, Mapping) and region not in full:
            problems.append(f"region: {region} has no weight in dns.full.")
    if state in _CHANGES:
        problems += confirm_problems({**request, "kind": "change of weights"})
    return {
        "problems": problems,
        "state": state,
        "region": region,
        "override": _names(request.get("override")),
        "reason": _text(request.get("reason")),
    }


def behind_regions(revisions: Sequence[Mapping[str, t.Any]], regions: Sequence[str]) -> dict[str, str]:
    """The regions that are not on the environment's revision, each with the sentence why. `revisions` are those of the
    fleet's history.

    A region is on it when nothing that stands has passed it by since its own newest release, and the services have the
    same versions there. So a region that got the same by a release or a rollback of its own is not behind.
    """
    standing = [one for one in joined(revisions) if one.get("outcome", "released") in STANDING]
    if not standing:
        return {}
    newest, found = standing[-1], {}
    for region in regions:
        own = next((one for one in reversed(standing) if _verdict(one, region) == "released"), None)
        if own is None:
            found[region] = f"{region} has no release, and the environment is at revision {newest['number']}"
            continue
        later = [one for one in standing if int(one["number"]) > int(own["number"])]
        missed = [one for one in later if _verdict(one, region) is not None]
        if missed or (later and own.get("versions") != newest.get("versions")):
            by = missed[-1] if missed else newest
            found[region] = (
                f"{region} is at revision {own['number']}, and {by.get('kind') or 'release'} {by.get('id')}, revision "
                f"{by['number']}, went without it"
            )
    return found


def _verdict(revision: Mapping[str, t.Any], region: str) -> str | None:
    return t.cast("str | None", (revision.get("regions") or {}).get(region))


def unfit_region(
    region: str, own: Mapping[str, t.Any], fleet: Mapping[str, t.Any], override: Sequence[str] = ()
) -> str:
    """Why a region must not get traffic, and what to do; empty when it may. `own` and `fleet` are the journals."""
    header, maintenance = own.get("header") or {}, own.get("maintenance")
    if header.get("state") == "open":
        return f"{region}: {header['kind']} {header['id']} is unfinished here; let it end, or run recover.yml first"
    if maintenance:
        return f"{maintenance['sentence']}; run maintenance.yml -e state=left first"
    revisions = _as_recorded(region, own, fleet.get("revisions") or [])
    late = _late(region, own, revisions)
    if not late or "revision" in override:
        return ""
    way = "run recover.yml" if _follows(region, revisions) else f"bring it up with deploy.yml --limit {region}"
    return f"{late}; {way}, or pass it with -e override=revision"


def partial_problem(
    region: str,
    own: Mapping[str, t.Any],
    fleet: Mapping[str, t.Any],
    running: Mapping[str, str],
    named: Sequence[str],
) -> str:
    """Why a release of only the `named` services must not go over a region, and what to do; empty when it may. `own`
    and `fleet` are the journals, `running` the versions of the services that run there.

    The region would be recorded at the number of the release, and keep of the other services what it has missed.
    """
    revisions = _as_recorded(region, own, fleet.get("revisions") or [])
    late = _late(region, own, revisions)
    standing = [one for one in revisions if one.get("outcome", "released") in STANDING]
    newest = (standing[-1].get("versions") or {}) if standing else {}
    others = sorted(name for name in running if name not in named and newest.get(name) != running[name])
    if not late or not others:
        return ""
    apart = ", ".join(
        f"{name} {running[name]} instead of {newest.get(name) or 'an unknown version'}" for name in others
    )
    way = "run recover.yml" if _follows(region, revisions) else f"bring it up with deploy.yml --limit {region}"
    return (
        f"{late}; it runs {apart}, and a release of {', '.join(sorted(named))} alone would leave that so; {way} first"
    )


def _as_recorded(region: str, own: Mapping[str, t.Any], revisions: Sequence[Mapping[str, t.Any]]) -> list[JsonObject]:
    """The fleet's history as the journal of the region corrects it: a region that was away when the fleet's journal was
    closed may have got the release all the same, or got it when it was recovered."""
    kept = {int(one["number"]) for one in own.get("revisions") or []}
    return [
        {**one, "regions": {**one["regions"], region: "released"}}
        if _verdict(one, region) == "unreachable" and int(one["number"]) in kept
        else dict(one)
        for one in joined(revisions)
    ]


def _follows(region: str, revisions: Sequence[Mapping[str, t.Any]]) -> bool:
    """Whether a recovery brings the region up: the newest that it has a part in is a rollback that it missed."""
    standing = [one for one in revisions if one.get("outcome", "released") in STANDING and _verdict(one, region)]
    missed = bool(standing) and _verdict(standing[-1], region) in ("unreachable", "behind")
    return missed and standing[-1].get("kind") == "rollback"


def _late(region: str, own: Mapping[str, t.Any], revisions: Sequence[Mapping[str, t.Any]]) -> str:
    """What the region has missed, by the fleet's history and by its own: its cluster may have been made anew."""
    behind = behind_regions(revisions, [region]).get(region)
    if behind:
        return behind
    told = max((int(one["number"]) for one in revisions if _verdict(one, region) == "released"), default=None)
    kept = max((int(one["number"]) for one in own.get("revisions") or []), default=None)
    if told is None or kept == told:
        return ""
    has = "no revision" if kept is None else f"revision {kept}"
    return f"{region}: its own journal has {has}, and the fleet's says {told}"


def region_lines(
    found: Mapping[str, t.Any], behind: Mapping[str, str], journal: Mapping[str, t.Any] | None = None
) -> list[str]:
    """What stands, for the terminal: weight, share and health of every region, those that are behind, and a change of
    weights or a release that has not ended. `found` is what dns_weight returned with state `status`."""
    weights, told = (found.get("weights") or {}).get("after") or {}, found.get("set") or {}
    shares, healthy = (found.get("shares") or {}).get("after") or {}, found.get("healthy") or {}
    name, ttl = told.get("name") or "the set", told.get("ttl")
    if not weights:
        return [f"{name}: there are no weights yet"]
    lines = [f"{name}: TTL {ttl} s" if ttl is not None else str(name)]
    for region, weight in weights.items():
        known = healthy.get(region)
        health = "health not known" if known is None else "healthy" if known else "unhealthy"
        out = ", evacuated" if not weight else ""
        lines.append(f"  {region}: weight {weight}, {100 * float(shares.get(region) or 0):.1f} %, {health}{out}")
    lines += [f"{sentence}; it gets no weight before it has been brought up" for sentence in behind.values()]
    header = (journal or {}).get("header") or {}
    if header.get("state") == "open":
        lines.append(f"{header['kind']} {header['id']} by {header.get('by') or 'unknown'} has not ended")
    return lines


def orders_line(region: str, answer: Mapping[str, t.Any] | None, problem: str = "") -> str:
    """How many orders rest in the book of an evacuated region, and what becomes of them. `answer` is what drain_trading
    returned with state `status`, None when nobody could be asked because of `problem`."""
    stays = f"what rests stays cancellable at {region}'s own name"
    if answer is None:
        return f"resting orders of {region}: unknown, {problem}; {stays} as soon as it answers"
    orders = ((answer.get("proofs") or {}).get("before") or {}).get("orders") or {}
    count = orders.get("count")
    if count is None:
        return f"resting orders of {region}: unknown, its engine does not say; {stays}"
    return f"resting orders of {region}: {count}; new orders go elsewhere, {stays}"


def _text(given: t.Any) -> str:
    return "" if given is None else str(given).strip()


def _names(given: t.Any) -> list[str]:
    parts = given if isinstance(given, list | tuple) else _text(given).split(",")
    return list(dict.fromkeys(name for part in parts if (name := _text(part))))
