# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is an environment whole? Pure: what the API servers say in, a sentence for every violated condition out.

After a recovery every region holds exactly the old or exactly the new revision, and all hold the same one. The expected
revisions are what a release that nobody disturbed left, not what the code under test believes to have written. Of an
engine that is part of them, who leads belongs to the revision like its objects do.
"""

from __future__ import annotations

import collections.abc as c
import copy
import dataclasses
import typing as t

Json = dict[str, t.Any]
#: "Kind name" -> manifest.
Objects = c.Mapping[str, Json]

#: What the server, a controller or the lock writes: no part of a revision.
_META: t.Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")
_ANNOTATIONS: t.Final = (
    "deployment.kubernetes.io/revision",
    "kubectl.kubernetes.io/last-applied-configuration",
    "pincex.io/lock-token",
)
_SERVICE: t.Final = ("clusterIP", "clusterIPs")
_SHOWN: t.Final = 4


@dataclasses.dataclass(frozen=True)
class EngineState:
    """The engines of one service in one region: whom the epoch record names, and who says that it leads."""

    owner: str
    epoch: int
    leaders: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class NamesState:
    """The weighted set at the authority: region -> weight, or in `unread` why its table cannot be read. `answered` are
    the regions that it gives to those who ask, and the addresses that are no region's; empty for no address at all."""

    weights: c.Mapping[str, int] = dataclasses.field(default_factory=dict)
    unread: str = ""
    answered: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class SiteState:
    """One region, or the management cluster (which has no objects): what stands there. `weights` is service -> slot ->
    weight; `holder` has the lock, `open_release` is in the journal without an end; empty for none. `engines` is by
    service."""

    objects: Objects = dataclasses.field(default_factory=dict)
    weights: c.Mapping[str, c.Mapping[str, int]] = dataclasses.field(default_factory=dict)
    holder: str = ""
    open_release: str = ""
    engines: c.Mapping[str, EngineState] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class State:
    """A whole environment. `names` is None where weights are no part of what is looked at."""

    regions: c.Mapping[str, SiteState]
    fleet: SiteState
    names: NamesState | None = None


@dataclasses.dataclass(frozen=True)
class Ledger:
    """What the order flow found in the engines' journals; None where that is not known."""

    lost: int | None = 0
    duplicated: int | None = 0


@dataclasses.dataclass(frozen=True)
class Judgement:
    """`stands` is old or new when the environment is whole, else mixed."""

    stands: t.Literal["old", "new", "mixed"]
    violations: tuple[str, ...]


def judge(found: State, old: State, new: State, ledger: Ledger | None) -> Judgement:
    """Without a ledger no orders were sent, and nothing is said about them."""
    stand, half, sentences = _revisions(found, old, new)
    for site, state in [*found.regions.items(), ("the fleet", found.fleet)]:
        sentences += _unlocked(site, state)
    for region, state in found.regions.items():
        sentences += _weights(region, state)
        sentences += [text for name, engine in state.engines.items() for text in led_badly(region, name, engine)]
        known = old.regions[region].objects.keys() | new.regions[region].objects.keys()
        sentences += [f"{region}: {name} is orphaned: neither revision has it" for name in state.objects.keys() - known]
    if found.names is not None:
        declared = [each.names for name, each in (("old", old), ("new", new)) if stand in (name, "mixed")]
        sentences += unanswered(found.names) + _shares(found.names, [one.weights for one in declared if one], half)
    if ledger is not None:
        sentences += _orders(ledger)
    return Judgement(stand, tuple(sorted(sentences)))


def _revisions(found: State, old: State, new: State) -> tuple[t.Literal["old", "new", "mixed"], list[str], list[str]]:
    """Which one stands, the regions that have neither, and a sentence for everything that is wrong with it."""
    stands: dict[str, set[str]] = {}
    sentences = []
    for region, state in found.regions.items():
        from_old = differences(old.regions[region], state)
        from_new = differences(new.regions[region], state)
        stands[region] = {name for name, apart in (("old", from_old), ("new", from_new)) if not apart}
        if not stands[region]:
            name, apart = min((("old", from_old), ("new", from_new)), key=lambda each: len(each[1]))
            more = f" and {len(apart) - _SHOWN} more" if len(apart) > _SHOWN else ""
            sentences.append(
                f"{region}: neither the old nor the new revision; from the {name} one differ "
                f"{'; '.join(apart[:_SHOWN])}{more}"
            )
    common = set.intersection(*stands.values())
    if not common and not sentences:
        told = ", ".join(f"{region} has the {min(names)} one" for region, names in sorted(stands.items()))
        sentences.append(f"the regions do not stand at the same revision: {told}")
    half = [region for region, names in stands.items() if not names]
    return ("old" if "old" in common else "new" if common else "mixed"), half, sentences


def differences(expected: SiteState, found: SiteState) -> list[str]:
    """What differs, each as `Kind name path: FOUND instead of EXPECTED`. Other objects than expected count as well."""
    apart: list[str] = []
    for name in sorted(expected.objects.keys() | found.objects.keys()):
        wanted, got = expected.objects.get(name), found.objects.get(name)
        if wanted is None or got is None:
            apart.append(f"{name}: {'is there' if got is not None else 'is missing'}")
        elif name.startswith("Deployment "):
            apart += _scale(name, wanted, got, found)
            apart += _paths(name, _without_scale(normal(wanted)), _without_scale(normal(got)))
        else:
            apart += _paths(name, normal(wanted), normal(got))
    for name in sorted(expected.engines.keys() & found.engines.keys()):
        # The number of the epoch grows with every handover, also with one that is taken back.
        apart += _paths(f"the epoch of {name}", expected.engines[name].owner, found.engines[name].owner, "owner")
    return apart


def _scale(name: str, wanted: Json, got: Json, found: SiteState) -> list[str]:
    """Down is down. Up is what an autoscaler made of it, and at least what it has to be."""
    want, have = _replicas(wanted), _replicas(got)
    autoscaler = found.objects.get(f"HorizontalPodAutoscaler {name.partition(' ')[2]}")
    low = high = want
    if want and autoscaler is not None:
        low, high = int(autoscaler["spec"].get("minReplicas", 1)), int(autoscaler["spec"]["maxReplicas"])
    return [] if low <= have <= high else [f"{name} spec.replicas: {have} instead of {want}"]


def _replicas(deployment: Json) -> int:
    return int(deployment["spec"].get("replicas", 1))


def _without_scale(deployment: Json) -> Json:
    deployment["spec"].pop("replicas", None)
    return deployment


def normal(obj: Json) -> Json:
    """A manifest without what is no part of a revision."""
    found = copy.deepcopy(obj)
    found.pop("status", None)
    meta = found["metadata"]
    for name in _META:
        meta.pop(name, None)
    annotations = {
        key: value for key, value in (meta.pop("annotations", None) or {}).items() if key not in _ANNOTATIONS
    }
    if annotations:
        meta["annotations"] = annotations
    if found["kind"] == "Service":
        for name in _SERVICE:
            found["spec"].pop(name, None)
    return found


def _paths(name: str, wanted: t.Any, got: t.Any, path: str = "") -> list[str]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        return [
            text
            for key in sorted(wanted.keys() | got.keys())
            for text in _paths(name, wanted.get(key), got.get(key), f"{path}.{key}" if path else str(key))
        ]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        pairs = enumerate(zip(wanted, got, strict=True))
        return [text for at, (one, other) in pairs for text in _paths(name, one, other, f"{path}[{at}]")]
    return [] if wanted == got else [f"{name} {path}: {_short(got)} instead of {_short(wanted)}"]


def _short(value: t.Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unlocked(site: str, state: SiteState) -> list[str]:
    sentences = []
    if state.holder:
        sentences.append(f"{site}: the lock is held by {state.holder}")
    if state.open_release:
        sentences.append(f"{site}: the journal of release {state.open_release} is open")
    return sentences


def _weights(region: str, state: SiteState) -> list[str]:
    return [
        f"{region}: the weights of {service} sum to {sum(slots.values())}, not to 100"
        for service, slots in state.weights.items()
        if sum(slots.values()) != 100
    ]


def led_badly(region: str, service: str, engine: EngineState) -> list[str]:
    """Sentences unless exactly one engine leads: the one that the record names."""
    if not engine.leaders:
        return [f"{region}: nobody leads {service}"]
    if len(engine.leaders) > 1:
        return [f"{region}: {' and '.join(engine.leaders)} both lead {service}"]
    if engine.leaders[0] != engine.owner:
        return [f"{region}: {engine.leaders[0]} leads {service}, and its epoch record names {engine.owner or 'nobody'}"]
    return []


def unanswered(names: NamesState) -> list[str]:
    """Sentences unless the set can be read, and whoever asks gets a region with a weight and nothing else."""
    if names.unread:
        return [f"the weights: {names.unread}"]
    if not any(names.answered):
        return ["the weights: the authority gives no region to those who ask"]
    odd = [one for one in names.answered if not names.weights.get(one)]
    told = [f"gives {one}, which has no weight" if one else "answers some of those who ask with nothing" for one in odd]
    return [f"the weights: the authority {sentence}" for sentence in told]


def _shares(names: NamesState, declared: c.Sequence[c.Mapping[str, int]], half: c.Sequence[str]) -> list[str]:
    """Sentences unless the weights are those of the revision that stands. A region that is half changed has none."""
    if names.unread:
        return []
    sentences = [
        f"{region}: is half changed, and has the weight {names.weights[region]}"
        for region in half
        if names.weights.get(region)
    ]
    if dict(names.weights) not in [dict(one) for one in declared]:
        wanted = " or ".join(dict.fromkeys(_told(one) for one in declared))
        sentences.append(f"the weights: {_told(names.weights)} instead of {wanted}")
    return sentences


def _told(weights: c.Mapping[str, int]) -> str:
    return ", ".join(f"{region} {weight}" for region, weight in sorted(weights.items()))


def _orders(ledger: Ledger) -> list[str]:
    sentences = []
    for name, number in (("lost", ledger.lost), ("duplicated", ledger.duplicated)):
        if number is None:
            sentences.append(f"how many orders were {name} is not known: a journal could not be read")
        elif number:
            sentences.append(f"{number} orders were {name}")
    return sentences
