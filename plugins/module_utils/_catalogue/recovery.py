# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recovery does, from the journals alone. Pure.

A journal is what `release_journal` returns when it reads or takes over; None stands for one that does not answer.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import STANDING

JsonObject = dict[str, t.Any]
Journal = Mapping[str, t.Any]

#: What is opened for the fleet between the releases.
_ALONE: t.Final = ("dns", "model")


def default_decision(fleet: Journal, regions: Mapping[str, Journal | None], given: str = "") -> str:
    """The decision to write when none stands: undo a deploy, finish a way back. `given` is what `heeded_decision` has
    left of an operator's: it takes a way back back, and says nothing of a deploy.

    A way back that had not been opened in every region has written nothing anywhere, because no region begins before
    all are open: it is undone, so that no region goes alone.
    """
    header = fleet.get("header") or {}
    if header.get("kind", "deploy") == "deploy" or given == "undo":
        return "undo"
    journals = [regions.get(str(region)) for region in header.get("steps") or []]
    known = [journal for journal in journals if journal is not None]
    mine = [journal for journal in known if (journal.get("header") or {}).get("id") == header.get("id")]
    begun = any(journal.get("entries") for journal in mine)
    return "undo" if len(mine) < len(known) and not begun else "keep"


def recovery_action(
    region: Journal,
    fleet: Journal | None,
    problem: str = "",
    given: str = "",
    *,
    name: str = "",
    journals: Mapping[str, Journal | None] | None = None,
) -> JsonObject:
    """What to do with the region `name`: `action` is none, wait, undo, finish, forward (a way back goes on), standby,
    maintenance, model, unlock (a controller died between the lock and the journal), or behind (a rollback went without
    it).

    `fleet` is the fleet's journal after it was taken over, None when that was impossible because of `problem`; `given`
    is what `heeded_decision` has left of an operator's decision, which decides while there is no fleet, and with one
    takes a rollback back; `journals` are those of all regions of this run. `number` is the revision that the region
    records, None when nobody in this run knows it, `why` a sentence for the report. A region that is behind records
    that of the rollback which it missed, and has `revision`, where it goes back to, None when nobody in this run knows,
    and `services`, with what, all when none is named. A region without an open release has `ended`: how it had ended
    the one that the fleet still has open, None when it had not.
    """
    header = region.get("header") or {}
    if header.get("state") != "open":
        behind = _behind(name, region, fleet or {}, journals or {})
        if behind is not None:
            return behind
        locked = bool((region.get("lock") or {}).get("holder"))
        action = "standby" if region.get("standby") else "unlock" if locked else "none"
        apart = _apart(name, header, fleet or {}, journals or {})
        found = _action(action, _ended(header) + apart, header.get("number"))
        return {**found, "ended": _ended_before(header, fleet or {})}
    release = f"{header['kind']} {header['id']} of {header.get('by', 'unknown')}"
    if header["kind"] in ("standby", "maintenance", "model"):
        found = _opened_alone(release, header, fleet is None and not given, problem)
        return {**found, "ended": _ended_before(header.get("of") or {}, fleet or {})}
    known = known_release(str(header["id"]), fleet or {})
    if fleet is None:
        known = {"number": _recorded_by_others(str(header["id"]), journals or {})}
    decision = _decided(header, fleet, known.get("decision"), given)
    if not decision:
        return _action("wait", f"{release} is unfinished, and nobody can decide: {problem}", None)
    why = f"{release} was unfinished, the decision is {decision}"
    if decision == "undo":
        return _action("undo", why, known.get("number"))
    return _action("finish" if header["kind"] == "deploy" else "forward", why, known.get("number"))


def _decided(header: Journal, fleet: Journal | None, known: str | None, given: str) -> str:
    """What a region does with its open release; empty when nobody can decide. Given for the release that the fleet has
    open, a decision says nothing of an older one."""
    if fleet is None:
        return given
    kind, release = header["kind"], fleet.get("header") or {}
    another = release.get("state") == "open" and release.get("id") != header["id"] and release.get("kind") not in _ALONE
    if kind == "rollback" and given == "undo" and not another:
        return given
    return known or ("undo" if kind == "deploy" else "keep")


def _opened_alone(release: str, header: Mapping[str, t.Any], alone: bool, problem: str) -> JsonObject:
    """What to do with what is no release. `alone`: the fleet could not be taken over, because of `problem`."""
    why = f"{release} was interrupted"
    if header["kind"] == "maintenance":
        # What was before is in its record, which stands: an operator decides which way to go on.
        why += "; go on with maintenance.yml -e state=entered, or leave with -e state=left"
    if header["kind"] == "model":
        why += f": {_model_change(header)}"
        if alone:
            # It may be alive: a region that waits for the others does not renew its lease.
            return _action("wait", f"{why}; nobody knows whether it goes on: {problem}", None)
    return _action(str(header["kind"]), why, header.get("number"))


def _model_change(header: Mapping[str, t.Any]) -> str:
    """What it was to become, as whoever opened the journal wrote it down."""
    told = header.get("finish") or {}
    return " ".join(str(told[name]) for name in ("model", "version", "state") if told.get(name))


def _ended_before(header: Mapping[str, t.Any], fleet: Journal) -> str | None:
    """How a region had ended the release that the fleet still has open, `released` or `taken_back`: the controller died
    in between, or another region was stuck. None when it had no part in it, or none that came to anything."""
    unfinished = fleet.get("header") or {}
    if unfinished.get("state") != "open" or not header or header.get("id") != unfinished.get("id"):
        return None
    outcome = header.get("outcome")
    return str(outcome) if outcome in ("released", "taken_back") else None


def known_release(release_id: str, fleet: Journal) -> JsonObject:
    """What the fleet knows of a release, the open one or one of its history: `decision` and `number`. Empty when it
    knows nothing of it, or nothing is decided."""
    if (fleet.get("header") or {}).get("id") == release_id and fleet.get("decision"):
        return {"decision": fleet["decision"]["decision"], "number": _recorded(fleet["header"])}
    for revision in fleet.get("revisions") or []:
        if revision.get("id") == release_id:
            kept = "keep" if revision.get("outcome") in STANDING else "undo"
            return {"decision": revision.get("decision") or kept, "number": _recorded(revision)}
    return {}


def _recorded(release: Journal) -> t.Any:
    """The number under which regions record a release: that of the one which it follows, or its own."""
    return release.get("number") if release.get("follows") is None else release["follows"]


def _recorded_by_others(release_id: str, journals: Mapping[str, Journal | None]) -> t.Any:
    """The number under which another region has recorded a release, None when none has."""
    recorded = [revision for journal in journals.values() for revision in (journal or {}).get("revisions") or []]
    return next((revision["number"] for revision in recorded if revision.get("id") == release_id), None)


def _behind(name: str, region: Journal, fleet: Journal, journals: Mapping[str, Journal | None]) -> JsonObject | None:
    """What a region needs that did not answer when the others went back; None when it is where it should be."""
    missed = _missed(name, region, fleet)
    if missed is None:
        return None
    revision, services = _way_of(str(missed["id"]), fleet, journals)
    why = f"rollback {missed['id']} went without it"
    if revision is None:
        why += (
            ", and neither the fleet nor a region of this run tells to which revision; run recover.yml without "
            "--limit, or bring it up with the next deploy.yml"
        )
    elif _stands_on(missed, revision, fleet):
        # This region may have missed more than the others had to move.
        services = []
    return {**_action("behind", why, int(_recorded(missed))), "revision": revision, "services": services}


def _missed(name: str, region: Journal, fleet: Journal) -> Journal | None:
    """The newest rollback that stands and did not reach this region; None when it has got a newer release since.

    It may be the one that is finished now: killed before this region was opened, and decided while it was away.
    """
    # By number: what has brought it up may not be in the fleet's history, yet or at all, or there as taken back.
    own = max((int(revision["number"]) for revision in region.get("revisions") or []), default=0)
    kept = [revision for revision in fleet.get("revisions") or [] if revision.get("outcome") in STANDING]
    release = fleet.get("header") or {}
    # What is opened alone is no release, and the decision beside it is that of the last one.
    alone = release.get("kind") in _ALONE
    if release.get("state") == "open" and not alone and (fleet.get("decision") or {}).get("decision") == "keep":
        began = (region.get("header") or {}).get("id") == release.get("id")
        if name in (release.get("steps") or []) and not began:
            kept.append({**release, "regions": {name: "behind"}})
    for revision in sorted(kept, key=lambda revision: int(revision["number"]), reverse=True):
        verdict = (revision.get("regions") or {}).get(name)
        if int(_recorded(revision)) <= own or verdict == "left_out":
            return None
        if revision.get("kind") == "rollback" and verdict in ("unreachable", "behind"):
            return t.cast("Journal", revision)
    return None


def _way_of(release_id: str, fleet: Journal, journals: Mapping[str, Journal | None]) -> tuple[int | None, list[str]]:
    """The revision that a rollback went to, and the services that it moved, as the regions that still stand on it say.

    Without any of them, as in a run with --limit, the fleet tells: its open release, or its history.
    """
    target: int | None = None
    services: set[str] = set()
    for journal in journals.values():
        header = (journal or {}).get("header") or {}
        # The end of a warm standby has a header of its own, with that of the release in it.
        header = header.get("of") or header
        if journal is not None and header.get("id") == release_id and header.get("target") is not None:
            target = int(header["target"])
            services |= {str(service) for service in (journal.get("finish") or {}).get("services") or []}
    if target is None:
        # The history first: the header of a release that has ended does not say what it moved.
        for told in (*(fleet.get("revisions") or []), fleet.get("header") or {}):
            if told.get("id") == release_id and told.get("target") is not None:
                return int(told["target"]), sorted(str(service) for service in told.get("changes") or {})
    return target, sorted(services)


def _stands_on(release: Journal, number: int, fleet: Journal) -> bool:
    """Whether a rollback left every service of the environment at the version of the revision that it went to."""
    versions = [told.get("versions") for told in fleet.get("revisions") or [] if int(told["number"]) == number]
    return bool(versions and versions[0]) and versions[0] == release.get("versions")


def _apart(name: str, header: Journal, fleet: Journal, journals: Mapping[str, Journal | None]) -> str:
    """What is added for a region without a part in the rollback that is finished now: no journal tells whether it was
    left out on purpose or did not answer."""
    release = fleet.get("header") or {}
    if release.get("state") == "open" and release.get("kind") == "model":
        return _still_there(name, header, release)
    finished = release.get("state") == "open" and (fleet.get("decision") or {}).get("decision") == "keep"
    if not finished or release.get("kind") != "rollback" or header.get("id") == release.get("id"):
        return ""
    revision, _services = _way_of(str(release["id"]), fleet, journals)
    if revision is None or name in (release.get("steps") or []):
        return ""
    # Nobody is called behind, so a recovery does nothing. With --limit the others would be behind.
    run = f"rollback.yml -e revision={revision} for every region"
    return f"; it had no part in rollback {release['id']}, and unless that was meant run {run}"


def _still_there(name: str, header: Journal, change: Journal) -> str:
    """The same for the way back of a model. It may have been killed before it had locked this region, and without a
    lock nobody writes here."""
    finish = change.get("finish") or {}
    had_part = change["id"] in (header.get("id"), header.get("model_ended_by"))
    if finish.get("state") != "rolled_back" or had_part or name not in (change.get("steps") or []):
        return ""
    what = " ".join(str(finish[key]) for key in ("model", "version") if finish.get(key))
    return f"; it had no part in the way back of {what}, and if it has that still run rollback_model.yml"


def _ended(header: Mapping[str, t.Any]) -> str:
    if not header:
        return "no release was ever here"
    return f"{header.get('kind')} {header.get('id')} has ended: {header.get('outcome')}"


def _action(action: str, why: str, number: t.Any) -> JsonObject:
    return {"action": action, "why": why, "number": number}


def recovery_summary(regions: Sequence[Mapping[str, t.Any]], fleet: Journal | None, problem: str = "") -> JsonObject:
    """How the recovery ended: `ok`, `close` (whether the fleet's journal may be closed), its `outcome`, a sentence that
    says which region is in which state and what to run next, and `kept`, a line for each foreign change.

    `bring_up` are the regions that follow the others back now, all by one release.
    """
    by_verdict: dict[str, list[str]] = {}
    for entry in regions:
        by_verdict.setdefault(str(entry["verdict"]), []).append(str(entry["region"]))
    stuck = by_verdict.get("stuck", []) + by_verdict.get("waiting", [])
    away = by_verdict.get("unreachable", [])
    header = (fleet or {}).get("header") or {}
    is_open = header.get("state") == "open"
    known = {str(entry["region"]) for entry in regions}
    # A change of weights has no part in any region.
    took_part = header.get("steps") or [] if is_open and header.get("kind") != "dns" else []
    missing = [str(region) for region in took_part if region not in known]
    undone = header.get("kind") not in _ALONE and ((fleet or {}).get("decision") or {}).get("decision") == "undo"
    states = "; ".join(_state(entry) for entry in regions)
    following = []
    if problem:
        following.append(problem)
    if missing:
        verb, what = ("is", "it") if len(missing) == 1 else ("are", "them")
        took = f"{', '.join(missing)} took part and {verb} not in this run"
        following.append(f"{took}; put {what} back, or run without --limit")
    if stuck:
        # What is stuck by itself is stuck again.
        undo = ", or with -e decision=undo to take the rollback back" if _goes_on(header, is_open, undone) else ""
        following.append(f"run recover again for {', '.join(stuck)}{undo}")
    if away:
        following.append(f"run recover again when {', '.join(away)} answers; until then it gets no release")
    behind = {
        str(entry["region"]): (entry.get("revision"), entry.get("number"))
        for entry in regions
        if entry["verdict"] == "behind"
    }
    bring_up, told = _bring_up(behind, blocked=bool(problem or missing or stuck))
    following += told
    # What a registry refuses for good is told, and keeps nobody from a release.
    apart = by_verdict.get("apart", [])
    outcome = "taken_back" if undone else _outcome(regions, header, away=bool(away))
    torn = by_verdict.get("taken_back", []) if _is_torn(header, outcome, is_open=is_open) else []
    if torn:
        gone = f"{', '.join(torn)} went back while the fleet's cluster was away, and the others keep the deploy"
        following.append(f"{gone}; run the same deploy.yml for {', '.join(torn)} with --limit")
    ok = not (stuck or away or apart or problem or missing or torn or set(behind) - set(bring_up))
    sentence = ". ".join([f"{'recovered' if ok else 'not recovered everywhere'}: {states}", *following])
    return {
        "ok": ok,
        "close": is_open and not stuck and not missing,
        "outcome": outcome,
        "sentence": sentence,
        "kept": [f"kept: {line}" for entry in regions for line in entry.get("kept") or []],
        "bring_up": bring_up,
    }


def _goes_on(header: Journal, is_open: bool, undone: bool) -> bool:
    """Whether another recovery would try the same again."""
    return is_open and header.get("kind") == "rollback" and not undone


def _is_torn(header: Journal, outcome: str, *, is_open: bool) -> bool:
    """Whether some regions keep a deploy that others have taken back: without the fleet an operator decided so."""
    return is_open and header.get("kind") == "deploy" and outcome == "incomplete"


def _outcome(regions: Sequence[Mapping[str, t.Any]], header: Journal, *, away: bool) -> str:
    """How a release ended that was to be kept. An operator may have taken it back in the regions that were left."""
    part = header.get("steps") or []
    verdicts = [str(entry["verdict"]) for entry in regions if not part or entry["region"] in part]
    back = verdicts.count("taken_back")
    if back and back == len(verdicts):
        return "taken_back"
    return "incomplete" if away or back or "behind" in verdicts else "released"


def _bring_up(behind: Mapping[str, tuple[int | None, int | None]], *, blocked: bool) -> tuple[list[str], list[str]]:
    """The regions that go back now, and what is told of it. That is one rollback to one revision, which follows one
    release; `behind` has both numbers of every region."""
    known = {region: way for region, way in behind.items() if way[0] is not None}
    if not known:
        return [], []
    if blocked:
        # The fleet's journal stays open, and under it no other release begins.
        return [], [f"run recover again for {', '.join(known)}"]
    way = next(iter(known.values()))
    now = [region for region in known if known[region] == way]
    later = [region for region in known if known[region] != way]
    told = [f"{', '.join(now)}: back to revision {way[0]} by a rollback of its own"]
    return now, told + ([f"run recover again for {', '.join(later)}"] if later else [])


def _state(entry: Mapping[str, t.Any]) -> str:
    reason = str(entry.get("reason") or "")
    return f"{entry['region']} is {entry['verdict']}" + (f" ({reason})" if reason else "")
