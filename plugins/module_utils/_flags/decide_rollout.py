# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout in steps: which are left, and after each of them whether it goes on, goes back or stops. Pure.

`status`, `written` and `back` are results of flag_set, `gates` those of the gate of every region.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_kills import on_variant
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_share import OWN_DEFAULT, expected

JsonObject = dict[str, t.Any]


def percent_on(flag: Mapping[str, t.Any]) -> float | None:
    """How many percent of all users get the on variant by the server's word; None where nobody can tell."""
    shares, on = expected(flag), on_variant(flag)
    return float(100 * shares.get(on, 0)) if shares is not None and on is not None else None


def clients_get(flag: Mapping[str, t.Any]) -> str:
    """What clients get of a definition, in a few words."""
    shares, percent = expected(flag), percent_on(flag)
    if shares is None:
        return "by targeting"
    if OWN_DEFAULT in shares:
        return "their own default"
    if len(shares) == 1:
        (variant,) = shares
        return "on for everybody" if percent == 100 else "off" if percent == 0 else f"{variant} for everybody"
    if len(shares) == 2 and percent:
        return f"on for {percent:.10g} %"
    return ", ".join(f"{variant} {float(100 * share):.10g} %" for variant, share in shares.items())


def rollout_plan(status: Mapping[str, t.Any], flag: str, steps: Sequence[float]) -> JsonObject:
    """The `steps` that are not below what the flag has already, what is `known` of it as for `after_write`, and one
    `line` about it. A step that it has is watched again: whoever stopped there may have had no evidence."""
    found = (status.get("definitions") or {}).get(flag) or {}
    present = percent_on(found) if found else 0.0
    left = [step for step in steps if present is None or step >= present]
    now = f"{flag} is {clients_get(found)} now"
    if not left:
        line = f"{now}, more than the last step of {steps[-1]:.10g} %; toggle_feature.yml makes it less"
    else:
        line = f"{now}; steps: {percents(left)}"
    return {"steps": left, "known": {"version": version_of(found), "before": None}, "line": line}


def version_of(flag: Mapping[str, t.Any] | None) -> str | None:
    """The revision that changed a flag last, as text; None when nobody has written it."""
    return ((flag or {}).get("metadata") or {}).get("version")


def after_write(known: Mapping[str, t.Any], written: Mapping[str, t.Any], flag: str) -> JsonObject:
    """What a rollout knows of its flag after a write: the `version` that it has now, and the definition `before` its
    first change, None while it has changed nothing. `known` is the same before the write."""
    both = (written.get("flags") or {}).get(flag)
    if both is None:
        return {"version": known.get("version"), "before": known.get("before")}
    return {"version": version_of(both["after"]), "before": known.get("before") or both["before"]}


def step_verdict(
    flag: str,
    step: float,
    known: Mapping[str, t.Any],
    seen: Mapping[str, t.Any],
) -> JsonObject:
    """What comes after a step of `step` percent, by what was `seen` of it: `written`, then the `gates`, and then the
    `status`. `verdict` is `pass`, `fail` (the flag goes back), `hold` (no evidence:
    it stays, and nothing goes on) or `stop` (somebody else has it, or it could not be set). `reason` says why.

    What others did wins: a flag that is killed or that somebody has changed since is not touched, whatever gates say.
    """
    percent, written, status, gates = f"{step:.10g} %", seen["written"], seen["status"], seen["gates"]
    if written.get("error"):
        if flag not in (written.get("flags") or {}):
            return {"verdict": "stop", "reason": f"{flag} was not set to {percent}: {_said(written)}"}
        # It was written all the same: clients do not see what they should.
        gates = {"flag_set": written}
    bad = _gates_that(gates, lambda verdict: verdict not in ("pass", "hold"))
    held = _gates_that(gates, lambda verdict: verdict == "hold")
    why = "; ".join(bad or held) or "every gate passed"
    stood = _meanwhile(flag, known, status)
    if stood:
        return {"verdict": "stop", "reason": f"{stood}; at {percent}: {why}"}
    if bad:
        return {"verdict": "fail", "reason": why}
    if _unknown(flag, status):
        return {"verdict": "hold", "reason": f"nobody can tell what {flag} is now: {_said(status)}"}
    return {"verdict": "hold" if held else "pass", "reason": why}


def rollout_end(
    flag: str,
    step: float,
    decided: Mapping[str, t.Any],
    known: Mapping[str, t.Any],
    back: Mapping[str, t.Any] | None = None,
) -> str:
    """How a rollout ended that did not go on after `step` percent, in one sentence, with what to do next."""
    percent, verdict, reason = f"{step:.10g} %", decided["verdict"], decided["reason"]
    again = "the same command goes on from there"
    if verdict == "stop":
        return f"{reason}. The rollout of {flag} stopped"
    if verdict == "hold":
        return f"{flag} stays at {percent}, for there is no evidence to go on: {reason}; {again}"
    kill = f"kill_feature.yml -e feature={flag} -e reason=... makes it off"
    if known.get("before") is None:
        return f"{flag} stays at {percent}, as this run found it, and its gates did not pass: {reason}; {kill}"
    if back is None or back.get("error"):
        said = _said(back or {})
        return f"{flag} is still at {percent}, its gates did not pass: {reason}; going back failed: {said}; {kill}"
    return f"{flag} is {clients_get(known['before'])} again, at {percent} its gates did not pass: {reason}"


def percents(steps: Sequence[float]) -> str:
    """Steps for people: 5 %, 25 %."""
    return ", ".join(f"{step:.10g} %" for step in steps)


def _meanwhile(flag: str, known: Mapping[str, t.Any], status: Mapping[str, t.Any]) -> str:
    """What somebody else has made of the flag since the last write; empty when it is as it was written, or unknown."""
    if _unknown(flag, status):
        return ""
    kill = (status.get("killed") or {}).get(flag)
    found = (status.get("definitions") or {}).get(flag)
    if kill:
        below = f" (restored, it is {clients_get(found)})" if found else ""
        return f"{flag} was killed by {kill['actor']} meanwhile ({kill['reason']}) and stays killed{below}"
    if found is None:
        return f"{flag} was removed meanwhile"
    if version_of(found) != known.get("version"):
        return f"somebody else has changed {flag} meanwhile, and it stays as they made it: {clients_get(found)}"
    return ""


def _unknown(flag: str, status: Mapping[str, t.Any]) -> bool:
    """A store that is away may have what the others lack."""
    return bool(status.get("error") or (status.get("away") and flag not in status["definitions"]))


def _gates_that(gates: Mapping[str, Mapping[str, t.Any]], wanted: Callable[[t.Any], bool]) -> list[str]:
    return [f"{region}: {_said(gate)}" for region, gate in gates.items() if wanted(gate.get("verdict"))]


def _said(result: Mapping[str, t.Any]) -> str:
    return str(result.get("reason") or result.get("msg") or "it did not answer")
