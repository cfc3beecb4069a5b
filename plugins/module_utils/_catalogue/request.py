# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator asked for on the command line, and what is wrong with it. Pure."""

from __future__ import annotations

import datetime as dt
import difflib
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.dns_options import dns_problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.evacuation import (
    evacuation_problems,
    wave_sizes,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.followers import joined
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.gates import KINDS, profile_problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import (
    VERSION,
    catalogue_problems,
    same_names,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.windows import (
    free_at,
    parse_windows,
    wall,
    window_sentences,
)

#: A reason for passing the windows is at least so long: "yes" tells nobody why.
_REASON_LENGTH: t.Final = 10


def wanted_versions(
    services: Mapping[str, t.Any], version: str | None, versions: Mapping[str, str] | None
) -> dict[str, str]:
    """The version of every service that takes part. One version for all, or only the services that are named."""
    if versions:
        return {name: str(versions[name]) for name in services if name in versions}
    return {name: str(version) for name in services} if version else {}


def request_problems(request: Mapping[str, t.Any]) -> list[str]:
    """Everything that can be refused without asking a cluster, one sentence each, naming the option."""
    problems = confirm_problems(request) + without_problems(request)
    if not _only_warned(request):
        problems += emergency_problems(request) + window_problems(request)
    services, profiles = request.get("services"), request.get("gate_profiles")
    problems += limit_problems(request.get("limit") or "", request.get("hosts") or [], request.get("groups") or [])
    if request.get("kind") == "deploy":
        problems += version_problems(services or {}, request.get("version"), request.get("versions"))
        problems += same_names(request.get("models"), services)
    problems += catalogue_problems(services, profiles if isinstance(profiles, Mapping) else None)
    problems += profile_problems(profiles)
    waves, regions = request.get("waves"), len(request.get("regions") or [])
    problems += wave_problems(waves)
    if not wave_problems(waves) and regions and request.get("kind") == "deploy":
        largest, forks = largest_wave(t.cast("Sequence[t.Any]", waves), regions), int(request.get("forks") or 5)
        if forks < largest:
            problems.append(
                f"--forks: {forks} is less than the {largest} regions of the largest wave, so a bad region would wait "
                f"for its neighbours before it is taken back; pass --forks {largest} or more, or make release_waves "
                "smaller."
            )
    if request.get("kind") == "deploy":
        weights = dns_problems(request)
        if not (weights or wave_problems(waves)) and request.get("dns"):
            weights = evacuation_problems(request, without_regions(request.get("without"), request.get("hosts") or []))
        problems += weights
    if not request.get("fleet"):
        problems.append("inventory: group fleet is empty; it names the cluster that keeps the fleet's journal.")
    return problems


def request_warnings(request: Mapping[str, t.Any]) -> list[str]:
    """What is allowed and hardly meant, and the windows that are passed. A way back is gated on readiness anyway."""
    warnings = _passed_windows(request) if _only_warned(request) else []
    if request.get("kind") != "deploy":
        # Nobody's way back waits for weights that nobody can read.
        warnings += dns_problems(request)
        forks, regions = int(request.get("forks") or 5), len(request.get("regions") or [])
        waits = f"--forks: {forks} is less than the {regions} regions, so some go back after others."
        return [*warnings, waits] if forks < regions else warnings
    services, profiles = request["services"], request["gate_profiles"]
    users: dict[str, list[str]] = {}
    for name in wanted_versions(services, request.get("version"), request.get("versions")):
        users.setdefault(str(services[name].get("gate_profile") or "default"), []).append(name)
    return warnings + [
        f"gate_profiles.{profile}: it has no {', no '.join(KINDS)}, so every step of {', '.join(names)} passes as soon "
        "as its pods are ready."
        for profile, names in users.items()
        if not any((profiles.get(profile) or {}).get(kind) for kind in KINDS)
    ]


def _text(given: t.Any) -> str:
    """What was typed: a survey leaves blanks around it, and leaves a question that nobody answered empty."""
    return "" if given is None else str(given).strip()


def confirm_problems(request: Mapping[str, t.Any]) -> list[str]:
    """Whether the word that the environment asks for was given. A dry run needs none."""
    wanted, given = _text(request.get("release_confirm")), _text(request.get("confirm"))
    if not wanted or given == wanted or request.get("check_mode"):
        return []
    problem = f"{given!r} is not the word" if given else "missing"
    return [f"confirm: {problem}; this environment wants a {request.get('kind')} confirmed by -e confirm={wanted}."]


def without_regions(given: t.Any, hosts: Sequence[str]) -> list[str]:
    """The regions that a deploy goes without, in the inventory's order; given as a list or separated by commas."""
    named = _names(given)
    return [host for host in hosts if host in named]


def _names(given: t.Any) -> list[str]:
    parts = given if isinstance(given, list | tuple) else _text(given).split(",")
    return list(dict.fromkeys(name for part in parts if (name := _text(part))))


def without_problems(request: Mapping[str, t.Any]) -> list[str]:
    """What is wrong with the regions that a deploy shall go without."""
    hosts, named = request.get("hosts") or [], _names(request.get("without"))
    if not named:
        return []
    if request.get("kind") != "deploy":
        return [
            "without: it is for a deploy; a way back goes to every region that answers, and recover.yml brings up the "
            "others."
        ]
    problems = [f"without: {_unknown('region', name, hosts)}" for name in named if name not in hosts]
    limited = {part.strip() for part in str(request.get("limit") or "").replace(":", ",").split(",")}
    problems += [
        f"without: {name} is named in --limit as well; name it in one of the two."
        for name in named
        if name in hosts and name in limited
    ]
    if not problems and not set(request.get("regions") or []) - set(named):
        problems.append(f"without: no region is left to deploy to without {', '.join(named)}; name fewer.")
    return problems


def _only_warned(request: Mapping[str, t.Any]) -> bool:
    """Whether windows are told and refuse nothing: a way back, a dry run, an emergency with a reason."""
    reason = _text(request.get("emergency"))
    return request.get("kind") == "rollback" or bool(request.get("check_mode")) or len(reason) >= _REASON_LENGTH


def emergency_problems(request: Mapping[str, t.Any]) -> list[str]:
    reason = _text(request.get("emergency"))
    if not reason or len(reason) >= _REASON_LENGTH:
        return []
    return [
        f"emergency: {reason!r} is too short for a reason ({len(reason)} of at least {_REASON_LENGTH} characters); say "
        """why it cannot wait, for example -e "emergency='orders are rejected in eu-west-1'"."""
    ]


def window_problems(request: Mapping[str, t.Any]) -> list[str]:
    """The windows that stand in the way of the regions of this release, or are wrong, and what to do about them."""
    sentences, free = _windows(request)
    if not free:
        return sentences
    return [
        *sentences,
        f"{free}, leave these regions out with --limit or -e without=REGION, or pass the windows with "
        """-e "emergency='why it cannot wait'".""",
    ]


def _passed_windows(request: Mapping[str, t.Any]) -> list[str]:
    sentences, _free = _windows(request)
    reason = _text(request.get("emergency"))
    return [*sentences, f"emergency: these windows are passed because: {reason}"] if sentences and reason else sentences


def passed_emergency(request: Mapping[str, t.Any]) -> str:
    """The reason by which this deploy passes windows that hold; "" when it passes none."""
    reason = _text(request.get("emergency"))
    return reason if request.get("kind") == "deploy" and reason and _windows(request)[0] else ""


def _windows(request: Mapping[str, t.Any]) -> tuple[list[str], str]:
    """What is wrong with the windows and which of them hold now, and when it can be tried again; "" when none holds."""
    left_out = without_regions(request.get("without"), request.get("hosts") or [])
    regions = [region for region in request.get("regions") or [] if region not in left_out]
    problems: dict[str, list[str]] = {}
    windows = {}
    for region, given in (request.get("windows") or {}).items():
        if region in regions:
            windows[region], wrong = parse_windows(given)
            for problem in wrong:
                problems.setdefault(problem, []).append(region)
    wrong = [f"{problem} (in {', '.join(where)})" for problem, where in problems.items()]
    now = float(request.get("now") or 0.0)
    sentences = window_sentences(now, windows)
    if not sentences:
        return wrong, ""
    free = free_at(now, windows)
    when = "These windows leave no free time" if free is None else f"Try again at {wall(free, dt.UTC)}"
    return wrong + sentences, when


def _unknown(what: str, name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"unknown {what} {name}; " + (f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}.")


def version_problems(services: Mapping[str, t.Any], version: t.Any, versions: t.Any) -> list[str]:
    if not version and not versions:
        return ["release_version: missing; say which version to release, for example -e release_version=v2."]
    if version and versions:
        return ["release_version and release_versions: give one of the two."]
    if version:
        return [] if _is_version(version) else [_bad_version("release_version", version)]
    if not isinstance(versions, Mapping):
        return ["""release_versions: use a mapping, for example -e '{"release_versions": {"core-api": "v2"}}'."""]
    problems = []
    for name, value in versions.items():
        if name not in services:
            problems.append(f"release_versions: {_unknown('service', str(name), list(services))}")
        elif not _is_version(value):
            problems.append(_bad_version(f"release_versions.{name}", value))
    return problems


def _is_version(value: t.Any) -> bool:
    return isinstance(value, str) and VERSION.fullmatch(value) is not None


def _bad_version(option: str, value: t.Any) -> str:
    return f"{option}: {value!r} is no version; use letters, digits, dots, hyphens and underscores, at most 63."


def limit_problems(limit: str, hosts: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Names in --limit that the inventory does not have: Ansible itself only warns and leaves them out."""
    known = {*hosts, *groups}
    problems = []
    for part in limit.replace(":", ",").split(","):
        name = part.strip().lstrip("!&")
        if not name or name in known or name[0] in "~@" or set(name) & set("*?["):
            continue
        problems.append(f"--limit: unknown region {name} (known: {', '.join(hosts)}).")
    return problems


def wave_problems(waves: t.Any) -> list[str]:
    if not isinstance(waves, list | tuple) or not waves:
        return ['release_waves: use a list such as [1, 2, "100%"].']
    return [
        f'release_waves: {wave!r} is neither a number of regions nor a share such as "50%".'
        for wave in waves
        if not _wave_is_sound(wave)
    ]


def _wave_is_sound(wave: t.Any) -> bool:
    if isinstance(wave, bool):
        return False
    if isinstance(wave, int):
        return wave >= 1
    text = str(wave)
    digits = text.removesuffix("%")
    return digits.isdigit() and int(digits) >= 1 and (not text.endswith("%") or int(digits) <= 100)


def largest_wave(waves: Sequence[t.Any], regions: int) -> int:
    """How many regions are busy at once."""
    return max(wave_sizes(waves, regions), default=0)


def pick_revision(history: Sequence[Mapping[str, t.Any]], wanted: t.Any) -> tuple[int | None, str | None]:
    """The revision to go back to: the one that is named, or the last released one before what stands.

    `history` is the fleet's: regions that were left out of a release have other revisions, and all go back to the same.
    Returns the number, or the sentence why there is none.
    """
    released = _released(history)
    if wanted is not None:
        if not str(wanted).isdigit():
            return None, f"revision: {wanted!r} is not a number."
        follows = next((entry.get("follows") for entry in history if int(entry["number"]) == int(wanted)), None)
        if follows is not None:
            return None, f"revision: {wanted} only brought regions up to {follows}; use -e revision={follows}."
        if int(wanted) not in released:
            return None, f"revision: {wanted} is not kept as a released revision (kept: {_numbers(released)})."
        return int(wanted), None
    return _before_what_stands({int(entry["number"]): entry for entry in joined(history)}, released)


def _before_what_stands(
    revisions: Mapping[int, Mapping[str, t.Any]], released: Sequence[int]
) -> tuple[int | None, str | None]:
    """The last released revision before what stands, which after a rollback is the one that it went to.

    The one before the newest would then be what the rollback has left: whoever goes back twice would meet it again.
    """
    newest = stands = released[-1] if released else 0
    while (target := _went_to(revisions.get(stands) or {}, stands)) is not None:
        if target in released and revisions[target].get("versions") != revisions[stands].get("versions"):
            # Only some services went there.
            return target, None
        stands = target
    older = [number for number in released if number < stands]
    if older:
        return older[-1], None
    kept = f"(kept: {_numbers(released)})"
    if stands == newest:
        return None, f"revision: there is no released revision before the newest one {kept}."
    back = f"rollback {newest} went back to revision {stands}, and there is no released one before it"
    return None, f"revision: {back} {kept}; name one with -e revision=NUMBER."


def _went_to(revision: Mapping[str, t.Any], number: int) -> int | None:
    target = revision.get("target")
    if revision.get("kind") != "rollback" or target is None or int(target) >= number:
        return None
    return int(target)


def absent_revision(history: Sequence[Mapping[str, t.Any]], number: int, region: str) -> str | None:
    """Why a region cannot go to that revision of the environment; None when it keeps it."""
    released = _released(history)
    if number in released:
        return None
    return (
        f"revision: {number} is not kept in {region} (kept: {_numbers(released)}); name one that every region keeps "
        "with -e revision=NUMBER."
    )


def _released(history: Sequence[Mapping[str, t.Any]]) -> list[int]:
    return [int(entry["number"]) for entry in joined(history) if entry.get("outcome", "released") == "released"]


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(str(number) for number in numbers) or "none"
