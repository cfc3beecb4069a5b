# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in of `stand_in.py`, with models: the traffic and the note of a model are in the region's file, as
`models`, the aliases in the fleet's, as `aliases`. Options are checked by the code of the module, and what a state
makes of a route is its own decision.

Of `faults.json` it knows also {"us-east-1": {"model": {"STATE": "sentence"}, "model_away": true, "gate": "STEP",
"written": {"STATE": "sentence"}}, "fleet": {"model": {"STATE": ["sentence", "KIND"]}, "lost": ["STATE"]}}.
`judgements` in the fleet's file are the answers of one look after the other; the last one stays. `lost`: the alias is
moved, and the answer lost. `written`: the route is written, and not accepted yet. `at_once`: a region that was locked
is not written by a look that takes back.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib.util
import pathlib
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import decide_traffic
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_case import must_be_meant
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Deployed,
    Note,
    Promoted,
    RolledBack,
    Stepped,
    Traffic,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.options import (
    ARGUMENT_SPEC,
    Options,
    options_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.task import EMPTY_RESULT

State = dict[str, t.Any]
NOW: t.Final = 1_800_000_000.0

_path = pathlib.Path(__file__).resolve().with_name("stand_in.py")
_spec = importlib.util.spec_from_file_location("pincex_stand_in", _path)
assert _spec is not None
assert _spec.loader is not None
base = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(base)
base.LOGGED = (
    *base.LOGGED,
    *("model", "version", "champion", "slot", "strategy", "percent", "steps", "weight", "mirror", "override", "report"),
    *("finish", "release", "release_id", "actor", "judge", "sources"),
)
_opened, _closed, _read, _taken_over = base._opened, base._closed, base._read, base._taken_over
_traffic, _revision = base.k8s_traffic, base.k8s_revision


def model_shadow(args: State, state: State, faults: State, check: bool) -> State:
    given = base._plain(args)
    if given.get("take_back"):
        # As the action plugin does it.
        given["take_back"]["controller"] = {"pid": 1, "started": ""}
    checked = ArgumentSpecValidator(ARGUMENT_SPEC).validate(given)
    if checked.error_messages:
        raise base.Refusal("; ".join(checked.error_messages), error={"kind": "option"}, **EMPTY_RESULT)
    params = checked.validated_parameters
    try:
        if faults.get("away") or faults.get("model_away"):
            raise ReleaseError("the API server is away", kind="unreachable", system="kubernetes", retriable=True)
        if params["state"] in faults.get("model", {}):
            # A sentence is a refusal; with a kind it is that.
            why = faults["model"][params["state"]]
            text, kind = (why, "refused") if isinstance(why, str) else why
            raise ReleaseError(text, kind=kind, system="models", retriable=kind in ("unreachable", "server"))
        options = options_of(params, check_mode=check)
        if not check and options.state not in ("status", "judged"):
            held = state.get("held") or state["open"]
            assert (params.get("release") or {}).get("id") == held, (params.get("release"), held)
        if options.in_region:
            return _in_region(options, state, faults, check)
        return _in_registry(options, state, faults, check)
    except ReleaseError as error:
        raise base.Refusal(
            error.message, **{**EMPTY_RESULT, "error": error.to_result(), "reason": error.message}
        ) from error


def _in_region(options: Options, state: State, faults: State, check: bool) -> State:
    weights = state["weights"].get(options.model)
    if options.state == "restored":
        state["models"], state["weights"] = copy.deepcopy(state["before"]["models"]), dict(state["before"]["weights"])
        return {**copy.deepcopy(EMPTY_RESULT), "verdict": "pass"}
    if weights is None:
        assert options.state in ("status", "judged"), "there is no route"
        return copy.deepcopy(EMPTY_RESULT)
    noted = state.setdefault("models", {}).get(options.model) or {}
    now = Traffic(**{"mirror": None, "buckets": None, **_parts(noted), "weights": weights})
    note = Note.of_text(noted["note"]) if noted.get("note") else None
    if options.state == "judged":
        return _judged(options, state, check)
    if options.state == "status":
        return _told(now, now, note)
    if options.state != "deployed" and note is not None:
        must_be_meant(options, note)
    wanted = decide_traffic.wanted(now, note, _intent(options, note))
    if wanted.problem:
        raise ReleaseError(wanted.problem, kind="refused", system="models")
    gains = [slot for slot, share in wanted.traffic.shares.items() if share]
    for slot in gains:
        assert state["objects"][f"Deployment/{options.model}-{slot}"]["spec"]["replicas"], f"{slot} has no pods"
    state["weights"][options.model] = dict(wanted.traffic.weights)
    state["models"][options.model] = {
        **{name: part for name, part in wanted.traffic.told().items() if name != "weights"},
        "note": wanted.note.to_text() if wanted.note else None,
    }
    if wanted.traffic != now or wanted.note != note:
        state["entries"].append({"step": options.step, "changes": [{"op": "models"}]})
    told = _told(now, wanted.traffic, wanted.note, dataclasses.asdict(note) if note else None)
    if options.state in faults.get("written", {}):
        # It is written, and what follows is not proved.
        error = {"kind": "not_accepted", "system": "gateway", "retriable": True}
        raise base.Refusal(faults["written"][options.state], **{**told, "error": error, "changed": True})
    return told


def _parts(noted: State) -> State:
    kinds = {"mirror": decide_traffic.Mirror, "buckets": decide_traffic.Buckets}
    return {name: kind(**noted[name]) for name, kind in kinds.items() if noted.get(name)}


def _intent(options: Options, note: Note | None) -> decide_traffic.Intent:
    if options.state == "deployed":
        assert options.slot is not None
        told = (options.version, options.champion or None, options.slot, options.strategy, options.weights, NOW)
        return Deployed(*told, options.percent, options.header)
    if options.state == "stepped":
        return Stepped(NOW, note.weights.index(options.weight) if note and options.weight is not None else None)
    return Promoted(NOW) if options.state == "promoted" else RolledBack()


def _told(before: Traffic, after: Traffic, note: Note | None, was: State | None = None) -> State:
    told = {"traffic": {"before": before.told(), "after": after.told()}, "verdict": "pass"}
    noted = dataclasses.asdict(note) if note else None
    return {**copy.deepcopy(EMPTY_RESULT), **told, "note": noted, "diff": {"before": {"note": was}}}


def _judged(options: Options, state: State, check: bool) -> State:
    """What the test has laid down. Looks are counted by the files of the fleet."""
    home = pathlib.Path(base.os.environ["STAND_IN_HOME"])
    fleet = base.json.loads((home / "fleet.json").read_text())
    looks = fleet["judgements"]
    if len(looks) > 1:
        (home / "fleet.json").write_text(base.json.dumps({**fleet, "judgements": looks[1:]}))
    if "error" in looks[0]:
        raise ReleaseError(looks[0]["error"], kind="unreachable", system="redis", retriable=True)
    found = {**copy.deepcopy(EMPTY_RESULT), **looks[0]}
    if options.take_back is not None and looks[0]["next"]["action"] == "roll_back":
        found["taken_back"] = _taken_back(options, state, check, home)
    return found


def _taken_back(options: Options, state: State, check: bool, home: pathlib.Path) -> State:
    """As the module does it at once, one place after the other. `state`: of the region that was judged."""
    faults = base.json.loads((home / "faults.json").read_text())
    given = options.take_back
    assert given is not None and options.actor and options.reason == "watch_model.yml"
    note = Note.of_text(state["models"][options.model]["note"]) if state["models"][options.model]["note"] else None
    version = options.version or (note.challenger if note else "")
    finish = {"state": "rolled_back", "model": options.model, "version": version, "slot": None, "reason": "at once"}

    def open_in(name: str, **args: t.Any) -> tuple[State, State]:
        """The state of a place with an open journal, and its release."""
        now = state if name == state["region"] else base.json.loads((home / f"{name}.json").read_text())
        if faults.get(name, {}).get("away"):
            raise ReleaseError("the API server is away", kind="unreachable", system="kubernetes", retriable=True)
        made = opened({"kind": "model", "finish": finish, **args}, now, faults.get(name, {}))["release"]
        return now, made

    def keep(name: str, now: State) -> None:
        if now is not state and not check:
            (home / f"{name}.json").write_text(base.json.dumps(now))

    def word(error: ReleaseError | base.Refusal) -> str:
        kind = error.kind if isinstance(error, ReleaseError) else error.extra["error"]["kind"]
        return {"locked": "refused", "unreachable": "unreachable"}.get(kind, "failed")

    fleet: State = {"verdict": "opened", "release": None, "reason": ""}
    try:
        now, release = open_in("fleet", scope="fleet", steps=[region.name for region in given.regions])
        keep("fleet", now)
        fleet["release"] = None if check else release
    except (ReleaseError, base.Refusal) as error:
        fleet |= {"verdict": word(error), "reason": str(error)}
    regions: State = {}
    for region in given.regions:
        one: State = {"verdict": "refused", "release": None, "reason": f"the fleet: {fleet['reason']}", "note": None}
        one |= {"traffic": {"before": None, "after": None}, "kept": [], "changed": False, "served_at": None}
        regions[region.name] = one
        if fleet["verdict"] in ("refused", "failed"):
            continue
        now = state
        try:
            now, release = open_in(region.name)
            back = dataclasses.replace(options, state="rolled_back", version=version, step="rollback at once")
            one["release"] = None if check else release
            if "at_once" in faults.get(region.name, {}):
                raise ReleaseError(faults[region.name]["at_once"], kind="capacity", system="kubernetes", retriable=True)
            told = _in_region(back, now, {}, check)
            one |= {"verdict": "rolled_back", "reason": "back", "traffic": told["traffic"], "served_at": NOW}
            one["note"] = told["diff"]["before"]["note"]
        except (ReleaseError, base.Refusal) as error:
            one |= {"verdict": word(error), "reason": str(error)}
        keep(region.name, now)
    return {"decided_at": NOW, "fleet": fleet, "regions": regions}


def _in_registry(options: Options, state: State, faults: State, check: bool) -> State:
    """As decide_promotion has it; a version is what it is called here."""
    now = state["aliases"].setdefault(options.registered, {})
    before, version = dict(now), options.version
    if options.state == "deployed":
        now["challenger"] = version
    elif options.state == "promoted" and now.get("champion") != version:
        now |= {"previous_champion": now.get("champion"), "champion": version, "challenger": None}
    elif options.state == "rolled_back" and version == now.get("challenger"):
        now["challenger"] = None
    elif options.state == "rolled_back" and version == now.get("champion"):
        now |= {"champion": now.get("previous_champion"), "previous_champion": None, "challenger": None}
    if now != before and state.get("held"):
        moved = {alias: {"before": before.get(alias), "after": now.get(alias)} for alias in {*before, *now}}
        fields = {alias: both for alias, both in moved.items() if both["before"] != both["after"]}
        state["entries"].append({"step": options.step, "changes": [{"op": "models", "fields": fields}]})
    if options.state in faults.get("lost", []):
        raise ReleaseError("the registry does not answer", kind="unreachable", system="registry", retriable=True)
    told = {"aliases": {"before": before, "after": dict(now)}, "verdict": "pass"}
    if options.state == "status":
        told["reigns"] = [{"version": now.get("champion"), "since": "2027-01-15T08:00:00Z", "until": None}]
    return {**copy.deepcopy(EMPTY_RESULT), **told}


def k8s_revision(args: State, state: State, faults: State, check: bool) -> State:
    answer = t.cast("State", _revision(args, state, faults, check))
    if args["state"] == "applied" and not check:
        state["entries"].append({"step": str(args["step"]), "changes": [{"op": "set"}]})
    return answer


def k8s_traffic(args: State, state: State, faults: State, check: bool) -> State:
    if args["state"] == "restored" and state.get("held"):
        return {"kept": []}
    return t.cast("State", _traffic(args, state, faults, check))


def opened(args: State, state: State, faults: State) -> State:
    if args.get("kind") != "model":
        if state.get("held"):
            raise base.Refusal(f"model {state['held']} by anna is unfinished; let it end, or recover it")
        return t.cast("State", _opened(args, state, faults))
    if "open" in faults:
        raise base.Refusal(faults["open"], error={"kind": "locked"})
    if state["open"] or state.get("held"):
        raise base.Refusal(f"{state['open'] or state['held']} is unfinished", error={"kind": "locked"})
    # A region goes by a name of its own only where the fleet does not answer.
    assert args.get("scope") == "fleet" or args.get("release_id") in (None, "m1")
    state |= {"held": "m1", "told_finish": base._plain(args["finish"]), "entries": [], "decision": None}
    state["part"] = base._plain(args.get("steps") or [])
    state["before"] = {name: copy.deepcopy(state.get(name, {})) for name in ("objects", "weights", "models")}
    place = {"kubeconfig": "none", "context": "management", "namespace": "exchange", "token": 1}
    return {"release": {"id": "m1", "kind": "model", "fleet": place}}


def taken_over(args: State, state: State, faults: State) -> State:
    if not state.get("held"):
        return t.cast("State", _taken_over(args, state, faults))
    return {**read(args, state, faults), "release": {"id": "m1", "kind": "recover"}}


def closed(args: State, state: State, faults: State) -> State:
    if args["release"]["id"] != "m1":
        return t.cast("State", _closed(args, state, faults))
    state["held"] = None
    return {"standby": None}


def read(args: State, state: State, faults: State) -> State:
    found = t.cast("State", _read(args, state, faults))
    if state.get("held"):
        mine = {"id": "m1", "kind": "model", "by": "anna", "state": "open", "finish": state["told_finish"]}
        mine |= {"steps": state["part"], "number": None}
        found |= {"header": mine, "release": mine, "lock": {"holder": "m1"}}
    return found


base.model_shadow = model_shadow
base.k8s_revision, base.k8s_traffic = k8s_revision, k8s_traffic
base._opened, base._closed, base._read, base._taken_over = opened, closed, read, taken_over
ActionModule = base.ActionModule
