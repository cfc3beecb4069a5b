# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a revision of one environment may become the release of the next one. Pure."""

from __future__ import annotations

import dataclasses
import datetime
import math
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.followers import joined
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import any_bad

Header = Mapping[str, t.Any]

#: What leaves the environment as it was. After every other outcome something else stands there.
_CHANGED_NOTHING: t.Final = ("refused", "taken_back")


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked for. `number` is None for the newest revision; `soak_h` is in hours."""

    source: str
    target: str
    environment: str  # of the inventory that the playbook runs with
    soak_h: t.Any
    number: t.Any = None
    given: Sequence[str] = ()  # variables that say themselves what to release


def request_problems(request: Request, sources: Mapping[str, t.Any], own_journal: Mapping[str, t.Any]) -> list[str]:
    """What is wrong with the request itself, before any journal is read."""
    if not request.source or not request.target:
        return ["from and to: name both environments, for example -e from=development -e to=staging."]
    problems = _environment_problems(request) or _source_problems(request, sources, own_journal)
    if request.given:
        what = ", ".join(request.given)
        problems.append(f"{what}: a promotion releases the versions of the revision; leave {what} out.")
    if request.number is not None and not str(request.number).isdigit():
        problems.append(f"revision: {request.number!r} is not a number.")
    if _hours(request.soak_h) is None:
        problems.append(f"promotion_soak_h: {request.soak_h!r} is no time in hours.")
    return problems


def _environment_problems(request: Request) -> list[str]:
    source, target, here = request.source, request.target, request.environment
    if source == target:
        return [f"from and to: both are {source}; a promotion goes from one environment to the next."]
    if target == here:
        return []
    inventory = f"that of {here}" if here else "without environment_name"
    return [f"to: this inventory is {inventory}, not that of {target}; run it with -i inventories/{target}."]


def _source_problems(request: Request, sources: Mapping[str, t.Any], own_journal: Mapping[str, t.Any]) -> list[str]:
    source = request.source
    if source not in sources:
        known = ", ".join(sorted(sources)) or "none"
        return [f"from: promotion_sources does not say where the journal of {source} lies (known: {known})."]
    where = sources[source] or {}
    missing = [name for name in ("kubeconfig", "context", "namespace") if not where.get(name)]
    if missing:
        return [f"promotion_sources.{source}: {', '.join(missing)} is missing."]
    if dict(where) == dict(own_journal):
        return [f"promotion_sources.{source}: this is the journal of {request.target} itself."]
    return []


def promotion(
    request: Request, journal: Mapping[str, t.Any], services: Mapping[str, t.Any], now: float
) -> tuple[int | None, dict[str, str], str | None]:
    """Number and versions of the revision to release, or the sentence why there is none.

    `journal` is what release_journal read of the source's fleet, `services` the catalogue of the target, `now` in unix
    seconds. Only what stands in the source at this moment is promoted, after it stood there for the soak time.
    """
    source = request.source
    headers = joined(journal.get("revisions") or [])
    if not headers:
        return None, {}, f"from: {source} has no revision yet."
    release = journal.get("header") or journal.get("release") or {}
    if release.get("state") == "open":
        what = f"{release.get('kind', 'release')} {release.get('id', '')} by {release.get('by', 'unknown')}"
        return None, {}, f"from: {what} is open in {source}; promote when it has ended."
    standing = _standing(headers)
    number = int(request.number) if request.number is not None else int((standing or headers[-1])["number"])
    header = next((header for header in headers if int(header["number"]) == number), None)
    if header is None:
        kept = ", ".join(str(header["number"]) for header in headers)
        return None, {}, f"revision: {source} does not keep {number} (kept: {kept})."
    problem = _verdict_problem(source, header) or _standing_problem(source, header, standing)
    problem = problem or _part_problem(source, header, headers)
    problem = problem or _soak_problem(request, header, now) or _version_problem(source, header, services)
    if problem is not None:
        return None, {}, problem
    return number, {str(name): str(version) for name, version in header["versions"].items()}, None


def _standing(headers: Sequence[Header]) -> Header | None:
    return next((header for header in reversed(headers) if header.get("outcome") not in _CHANGED_NOTHING), None)


def _verdict_problem(source: str, header: Header) -> str | None:
    bad = [f"{region} is {verdict}" for region, verdict in (header.get("regions") or {}).items() if any_bad([verdict])]
    outcome = str(header.get("outcome") or "unknown")
    if outcome == "released" and not bad:
        return None
    reason = [str(header["reason"])] if header.get("reason") else []
    why = "; ".join([*([outcome] if outcome != "released" else []), *bad, *reason])
    return f"revision: {header['number']} did not end clean in {source}: {why}."


def _part_problem(source: str, header: Header, headers: Sequence[Header]) -> str | None:
    """Refuse what stands in some regions only: elsewhere another version has stood for the soak time."""
    got = header.get("regions") or {}
    before = [other for other in headers if int(other["number"]) < int(header["number"])]
    had = {
        region
        for other in before
        if other.get("outcome") not in _CHANGED_NOTHING
        for region, verdict in (other.get("regions") or {}).items()
        if verdict == "released"
    }
    # Records that name no region at all are older than this rule.
    absent = sorted(had - got.keys()) if got else []
    states = [f"{region} is {verdict}" for region, verdict in got.items() if verdict != "released"]
    states += [f"{region} had no part in it" for region in absent]
    if not states:
        return None
    where = f"revision: {header['number']} does not stand in every region of {source} ({', '.join(states)})"
    return f"{where}; release it to all of them there, then promote that revision."


def _standing_problem(source: str, header: Header, standing: Header | None) -> str | None:
    if standing is None or standing["number"] == header["number"]:
        return None
    since = f"revision {standing['number']} replaced it at {standing.get('opened_at') or 'an unknown time'}"
    return f"revision: {header['number']} does not stand in {source} any more; {since}."


def _soak_problem(request: Request, header: Header, now: float) -> str | None:
    soak_h = _hours(request.soak_h) or 0.0
    closed_at = _seconds(header.get("closed_at"))
    if closed_at is None:
        return f"revision: the record of {header['number']} does not say since when it stands in {request.source}."
    stood_h = max(0.0, now - closed_at) / 3600
    if stood_h >= soak_h:
        return None
    # Rounded down: 23.99 h are not told as 24.0.
    stood = math.floor(stood_h * 10) / 10
    return (
        f"revision: {header['number']} stands in {request.source} for {stood:.1f} h, since {header['closed_at']}; "
        f"the soak time (promotion_soak_h) is {soak_h:g} h."
    )


def _version_problem(source: str, header: Header, services: Mapping[str, t.Any]) -> str | None:
    versions = header.get("versions")
    if not isinstance(versions, Mapping) or not versions:
        return f"revision: the record of {header['number']} in {source} has no versions; release it there again first."
    unnamed = sorted(name for name, version in versions.items() if not version)
    if unnamed:
        return f"revision: the record of {header['number']} in {source} has no version of {', '.join(unnamed)}."
    unknown = sorted(name for name in versions if name not in services)
    if unknown:
        what = f"{', '.join(unknown)} of revision {header['number']} in {source}"
        return f"services: {what} is not in the catalogue of this environment."
    return None


def _hours(value: t.Any) -> float | None:
    """A finite time that is not below 0; None when it is something else."""
    try:
        hours = float(value)
    except (TypeError, ValueError):
        return None
    return hours if math.isfinite(hours) and hours >= 0 else None


def _seconds(text: t.Any) -> float | None:
    """A time as a journal writes it, in unix seconds; None when it is something else."""
    try:
        return datetime.datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return None
