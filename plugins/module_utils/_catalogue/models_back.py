# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback of the environment makes of its models. Pure.

Users wait for a rollback, so a model goes back where that is one write in every region: its route says so, and the pods
of the version before are ready. Everything else stays and is told, with what to run. Reads and records are as in
`known_models`; a *plan* has, by model, the `version` that goes and the `champion` that serves then.
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.known_models import (
    Read,
    Record,
    Seen,
    in_words,
    seen_in,
    unknown_lines,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model_plan import undone_slot
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model_request import service_entry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.verdicts import failure_reason

JsonObject = dict[str, t.Any]
Plan = Mapping[str, Mapping[str, str]]

_LOOK: t.Final = "look with model_status.yml"


def models_back(
    recorded: Mapping[str, Record] | None,
    reads: Mapping[str, Read],
    names: Sequence[str],
    number: t.Any,
    left: str = "",
) -> JsonObject:
    """Which models go back with a rollback to revision `number`, of which `recorded` is what it has of them (None: it
    was recorded without any). `left`: why this rollback leaves all of them alone; empty when it does not.

    `back` is the plan, `told` a line for each model that goes, or differs and stays.
    """
    if not names or not reads:
        return {"back": {}, "told": []}
    if not recorded:
        told = [] if left else [f"warning: the models stay as they are: revision {number} was recorded without them"]
        return {"back": {}, "told": told}
    seen = {region: seen_in(read, region, names) for region, read in reads.items()}
    back: dict[str, dict[str, str]] = {}
    told = []
    for name in sorted(names):
        then = recorded.get(name) or {}
        goes, stays = _judged(name, then, {region: found[name] for region, found in seen.items()}, number)
        if left and (goes or stays):
            told.append(f"warning: {name} stays as it is, and revision {number} has {in_words(then)}: {left}; {_LOOK}")
        elif stays:
            told.append(f"warning: {name} {stays}")
        elif goes:
            back[name] = {"version": goes, "champion": str(then["champion"])}
            told.append(f"{name} goes back with this rollback: {goes} leaves the traffic, {then['champion']} serves")
    return {"back": back, "told": told}


def _judged(name: str, then: Record, by_region: Mapping[str, Seen | str], number: t.Any) -> tuple[str, str]:
    """The version of a model that goes, or why it stays although it differs; both empty when nothing differs."""
    problems = [one for one in by_region.values() if isinstance(one, str)]
    if then.get("unknown"):
        problems = [f"who served it is not recorded with revision {number} ({then['unknown']})"]
    if problems:
        return "", f"stays as it is: {'; '.join(problems)}; {_LOOK}"
    seen = {region: one for region, one in by_region.items() if isinstance(one, Seen)}
    differing = {region: one for region, one in seen.items() if _differs(one, then)}
    if not differing:
        return "", ""
    return _goes(name, then, seen, differing, number=number)


def _goes(
    name: str, then: Record, seen: Mapping[str, Seen], differing: Mapping[str, Seen], *, number: t.Any
) -> tuple[str, str]:
    """The same of one that differs in some regions."""
    serving = ", ".join(dict.fromkeys(one.champion or "nothing" for one in seen.values()))
    if then.get("champion") is None:
        return "", f"stays at {serving}: nothing served it in revision {number}"
    for region, one in differing.items():
        if why := _no_way(name, one, str(then["champion"]), region, number):
            return "", f"stays at {serving}, and revision {number} has {then['champion']}: {why}"
    going = list(dict.fromkeys(str(one.leaving) for one in differing.values()))
    if len(going) > 1:
        where = ", ".join(f"{one.leaving} in {region}" for region, one in differing.items())
        return "", f"stays as it is: another version would leave the traffic in each region ({where}); {_LOOK}"
    return going[0], ""


def _differs(seen: Seen, then: Record) -> bool:
    """A challenger that the revision had does not come back, and one that it had stays."""
    return seen.champion != then.get("champion") or seen.challenger not in (None, then.get("challenger"))


def _no_way(name: str, seen: Seen, champion: str, region: str, number: t.Any) -> str:
    """Why the way back to this champion is more than one write in a region, and what to run; empty when it is not."""
    why = f"\"reason='revision {number}'\""
    deploy = f"deploy_model.yml -e model={name} -e version={champion} -e strategy=direct -e {why}"
    if seen.challenger is not None and seen.champion != champion:
        first = f"rollback_model.yml -e model={name}"
        return f"{seen.challenger} is its challenger in {region}; run {first}, and then {deploy}"
    if seen.leaving is None or seen.back != champion:
        return f"the route in {region} does not lead back to it; run {deploy}"
    return "" if seen.ready else f"no pod of it is ready in {region}; run {deploy}"


def gone_slots(
    results: Sequence[Mapping[str, t.Any]],
    entries: Mapping[str, Mapping[str, t.Any]] | None = None,
    read: Read | None = None,
) -> list[JsonObject]:
    """The fields that scale the slots to zero that nobody asks any more, and free the HPAs of the models, out of the
    results of model_shadow with `state=rolled_back` in a region; each has the entry of the plan as
    `release_region_model`, a `key` and a `value`. What did not go back keeps its pods. `entries`: the models of the
    inventory; `read`: that of the region."""
    found = (read or {}).get("revision") or {}
    fields: list[JsonObject] = []
    for result in results:
        if not result.get("msg"):
            name, traffic = str(result["release_region_model"]["key"]), (result.get("traffic") or {}).get("after")
            fields += undone_slot(name, traffic, service_entry((entries or {}).get(name)), found)["fields"]
    return fields


def models_moved(plan: Plan, reads: Mapping[str, Read], regions: Sequence[str]) -> JsonObject:
    """What became of a plan, by what the regions have now. `regions`: all that belong to this rollback, without a read
    where one could not be asked.

    `aliases` are the models that are back somewhere, each with `model`, `version` and `champion`: the registry does not
    wait for the rest. `told`: a warning for each region in which a model is not back.
    """
    names = sorted(plan)
    seen = {region: seen_in(reads.get(region) or {}, region, names) for region in regions}
    aliases: list[JsonObject] = []
    told: list[str] = []
    for name in names:
        version, champion = plan[name]["version"], plan[name]["champion"]
        by_region = {region: found[name] for region, found in seen.items()}
        still = [region for region, one in by_region.items() if isinstance(one, str) or one.leaving == version]
        run = f"rollback_model.yml -e model={name} -e version={version}"
        if still:
            word = (
                "is not known to be back"
                if any(isinstance(by_region[region], str) for region in still)
                else "is not back"
            )
            told.append(f"warning: {name} {word} at {champion} in {', '.join(still)}; run {run}")
        if any(
            isinstance(one, Seen) and one.champion == champion and one.leaving != version for one in by_region.values()
        ):
            aliases.append({"model": name, "version": version, "champion": champion})
    return {"aliases": aliases, "told": told}


def models_told(
    models: Mapping[str, Record],
    what: str,
    moved: Mapping[str, t.Any] | None = None,
    aliases: Sequence[Mapping[str, t.Any]] = (),
) -> list[str]:
    """The warnings at the end of a release, which is called `what`: models that are recorded as unknown, that are not
    back, and of which the registry does not say what the regions do. `aliases` are the results of model_shadow for the
    fleet, each with the entry of `moved` as `release_fleet_model`."""
    return [*unknown_lines(models, what), *((moved or {}).get("told") or []), *_alias_lines(aliases)]


def _alias_lines(results: Sequence[Mapping[str, t.Any]]) -> list[str]:
    told = []
    for result in results:
        moved, after = result["release_fleet_model"], (result.get("aliases") or {}).get("after") or {}
        if result.get("msg"):
            run = f"run rollback_model.yml -e model={moved['model']} -e version={moved['version']}"
            why = f"{failure_reason(result)}; {run}"
        elif after.get("champion") != moved["champion"]:
            why = f"its champion is {after.get('champion') or 'nobody'}; {_LOOK}"
        else:
            continue
        told.append(f"warning: {moved['champion']} serves {moved['model']}, and the registry does not say so: {why}")
    return told
