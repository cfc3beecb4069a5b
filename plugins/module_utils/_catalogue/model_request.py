# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks for models are asked for. Pure."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.dns_options import seconds
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.hints import hint
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.model import (
    VERSION,
    catalogue_problems,
    same_names,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.request import confirm_problems
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.decide_request import (
    names,
    number,
    rollout_steps,
    switch,
    text_of,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_steps import (
    WEIGHTS,
    Ladder,
    Strategy,
    ladder_problem,
)

JsonObject = dict[str, t.Any]

#: What the block `model` of an entry may say. `registry` is the name that the registry knows the model by; `sources`
#: wins over `model_sources`; the others are options of model_shadow.
KNOWN: t.Final = ("registry", "sources", "judge", "mirror", "steps", "percent", "bucket_header")
#: What an entry of the services may say and a model has no use for: it has a route, two slots and steps of its own.
_NOT_OF_MODELS: t.Final = ("strategy", "steps", "depends_on", "template", "traffic", "probe_url", "connections")
_CHANGES: t.Final = ("deploy", "promote", "rollback", "watch")
INTERVAL_S: t.Final = 60.0
WATCH_S: t.Final = 3600.0

_Read = t.TypeVar("_Read")


def model_request(request: Mapping[str, t.Any]) -> JsonObject:
    """The request with real types, and its `problems`, one sentence each, naming the option.

    `kind` is deploy, promote, rollback, watch or status. `model`, `version`, `strategy`, `percent`, `steps`, `force`,
    `override`, `interval_s`, `watch_s`, `auto_promote` and `reason` are as they were given; `models`, `registry`,
    `sources` and `services` are what the inventory says; `hosts` has all regions, `play` those of this run. `registry`
    (None where there is none), `sources`, `judge` and `options` of the result are for model_shadow, `service` is the
    model's entry as one of the services.
    """
    kind, problems = str(request["kind"]), models_problems(request.get("models"))
    # A way back is not the time to say so.
    problems += same_names(request.get("models"), request.get("services")) if kind == "deploy" else []
    name, version = text_of(request.get("model")), text_of(request.get("version"))
    catalogue = request.get("models") if isinstance(request.get("models"), Mapping) else {}
    entry = t.cast("Mapping[str, t.Any]", catalogue).get(name)
    problems += _name_problems(kind, name, catalogue or {})
    problems += _version_problems(kind, version)
    block = entry.get("model") or {} if isinstance(entry, Mapping) else {}
    block = block if isinstance(block, Mapping) else {}
    registry, sources = request.get("registry") or None, block.get("sources") or request.get("sources") or []
    options = {option: block[option] for option in ("mirror", "bucket_header") if block.get(option) is not None}
    strategy = text_of(request.get("strategy")) or "shadow"
    known = _strategy_problems(strategy) if kind == "deploy" else []
    problems += known
    ladder = _ladder(problems, request, block, t.cast("Strategy", strategy)) if kind == "deploy" and not known else {}
    force = _read(problems, "force", switch, request.get("force"), False)
    reason = text_of(request.get("reason"))
    problems += _reason_problems(kind, strategy, force, reason)
    play, hosts = request.get("play") or [], request.get("hosts") or []
    problems += _limit_problems(kind, play, hosts)
    if not sources and (kind == "watch" or (kind == "promote" and not force)):
        problems.append(
            "model_sources: empty, so nobody can judge; say where the answers are in group_vars/all/models.yml, or "
            "promote without evidence by -e force=true."
        )
    if kind in _CHANGES:
        problems += confirm_problems({**request, "kind": "change of a model"})
    return {
        "problems": problems,
        "model": name,
        "models": [name] if name else sorted(catalogue or {}),
        "version": version,
        "strategy": strategy,
        "weights": ladder.get("weights"),
        "percent": ladder.get("percent"),
        "options": options,
        "registry": {**registry, "model": block.get("registry") or name} if isinstance(registry, Mapping) else None,
        "sources": sources,
        "judge": block.get("judge") or {},
        "service": service_entry(entry),
        "force": force,
        "override": names(request.get("override")),
        "interval_s": _seconds(problems, request, "interval_s", INTERVAL_S),
        "watch_s": _seconds(problems, request, "watch_s", WATCH_S),
        "auto_promote": _read(problems, "auto_promote", switch, request.get("auto_promote"), False),
        "whole": not set(hosts) - set(play),
        "reason": reason or f"{kind}_model.yml",
    }


def unfinished_request(
    finish: Mapping[str, t.Any], models: Mapping[str, t.Any], registry: Mapping[str, t.Any]
) -> JsonObject:
    """The request of a change that was broken off, from what its journal has to say (`finish`). The inventory may have
    lost the model since: then the registry knows it by its own name."""
    name = str(finish["model"])
    block = (models.get(name) or {}).get("model") or {}
    return {
        "model": name,
        "version": str(finish.get("version") or ""),
        "reason": str(finish.get("reason") or ""),
        "registry": {**registry, "model": block.get("registry") or name} if registry else None,
        "service": service_entry(models.get(name)),
    }


def models_problems(models: t.Any) -> list[str]:
    """What is wrong with the variable `models` of an inventory."""
    if not models:
        return [
            "models: empty; this environment has no models. Describe them in group_vars/all/models.yml; "
            "docs/models.md says how."
        ]
    if not isinstance(models, Mapping):
        return ["models: use a mapping of models by their names."]
    problems: list[str] = []
    for name, entry in models.items():
        option = f"models.{name}"
        if not isinstance(entry, Mapping):
            problems.append(f"{option}: use a mapping with at least an image.")
            continue
        problems += [f"{option}.{key}: not for a model." for key in _NOT_OF_MODELS if key in entry]
        problems += _block_problems(option, entry.get("model"))
        of_service = catalogue_problems({name: service_entry(entry)})
        problems += [problem.replace("services.", "models.", 1) for problem in of_service]
    return problems


def service_entry(entry: t.Any) -> JsonObject:
    """An entry of the models as one of the services: two slots behind a route."""
    if not isinstance(entry, Mapping):
        return {}
    return {key: value for key, value in entry.items() if key != "model" and key not in _NOT_OF_MODELS}


def _block_problems(option: str, block: t.Any) -> list[str]:
    if block is None:
        return []
    if not isinstance(block, Mapping):
        return [f"{option}.model: use a mapping."]
    problems = [f"{option}.model.{key}: unknown option{hint(key, KNOWN)}." for key in block if key not in KNOWN]
    mirror = block.get("mirror")
    if mirror is not None and not (isinstance(mirror, Mapping) and isinstance(mirror.get("paths"), list)):
        problems.append(f"{option}.model.mirror: use a mapping with paths, the list of what may be asked twice.")
    return problems


def _name_problems(kind: str, name: str, models: Mapping[str, t.Any]) -> list[str]:
    if name and models and name not in models:
        return [f"model: unknown model {name}{hint(name, models)}."]
    if not name and kind != "status":
        return ["model: missing; say which one with -e model=NAME."]
    return []


def _version_problems(kind: str, version: str) -> list[str]:
    if version and not VERSION.fullmatch(version):
        return [f"version: {version!r} is no image tag."]
    if not version and kind == "deploy":
        return ["version: missing; say which one with -e version=TAG."]
    return []


def _strategy_problems(strategy: str) -> list[str]:
    if strategy in WEIGHTS:
        return []
    return [f"strategy: {strategy!r} is unknown; use shadow, canary, ab or direct."]


def _ladder(
    problems: list[str], request: Mapping[str, t.Any], block: Mapping[str, t.Any], strategy: Strategy
) -> JsonObject:
    """The `weights` of a canary, or the `percent` of copies or buckets; without those the module knows better."""
    steps, percent = text_of(request.get("steps")), text_of(request.get("percent"))
    if steps and strategy != "canary":
        problems.append(f"steps: of a canary, and {strategy} has none.")
    if percent and strategy in ("canary", "direct"):
        problems.append(f"percent: of a shadow or an A/B test, and {strategy} has none.")
    if strategy == "canary":
        asked = request.get("steps") if steps else block.get("steps")
        return {"weights": _weights(problems, asked) if asked else [*WEIGHTS[strategy]]}
    asked = percent or block.get("percent")
    return {"percent": _percent(problems, asked, strategy) if asked and strategy != "direct" else None}


def _weights(problems: list[str], asked: t.Any) -> list[int]:
    steps: list[int | float] = _read(problems, "steps", rollout_steps, asked, [])
    if any(step != int(step) for step in steps):
        problems.append(f"steps: {', '.join(f'{step:g}' for step in steps)}: a route takes whole percents.")
    weights = [int(step) for step in steps]
    problem = ladder_problem(Ladder("canary", tuple(weights))) if steps else ""
    if problem:
        problems.append(f"steps: {problem}.")
    return weights


def _percent(problems: list[str], asked: t.Any, strategy: Strategy) -> int | float | None:
    found: list[int | float] = _read(problems, "percent", rollout_steps, [asked], [])
    if strategy == "ab" and found and found[0] != int(found[0]):
        problems.append(f"percent: {found[0]:g}: there are 100 buckets, so an A/B test takes a whole percent.")
    return found[0] if found else None


def _reason_problems(kind: str, strategy: str, force: bool, reason: str) -> list[str]:
    if reason:
        return []
    what = "strategy=direct" if kind == "deploy" and strategy == "direct" else "force=true" if force else ""
    return [f"""reason: missing; {what} asks for no evidence, so say why with -e "reason='...'"."""] if what else []


def _limit_problems(kind: str, play: t.Any, hosts: t.Any) -> list[str]:
    if not play:
        return ["--limit: it leaves out every region; name one of them."] if kind != "status" else []
    left = [host for host in hosts if host not in play]
    if kind in ("promote", "watch") and left:
        return [f"--limit: it leaves out {', '.join(left)}, and a champion is one for all regions; run it without."]
    return []


def _seconds(problems: list[str], request: Mapping[str, t.Any], option: str, otherwise: float) -> int | float:
    if text_of(request.get(option)) == "":
        return number(otherwise)
    found = seconds(request[option])
    if found is None or (option == "interval_s" and found < 1):
        problems.append(f"{option}: {request[option]!r} is no number of seconds{', from 1' * (found is not None)}.")
        return number(otherwise)
    return number(found)


def _read(problems: list[str], option: str, read: Callable[[t.Any], _Read], given: t.Any, otherwise: _Read) -> _Read:
    """What is meant by an option; a problem and `otherwise` when it is nothing."""
    try:
        return read(given)
    except ValueError as error:
        problems.append(f"{option}: {error}.")
        return otherwise
