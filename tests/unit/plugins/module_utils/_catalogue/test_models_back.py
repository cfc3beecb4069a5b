# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models go back with a rollback, against what model_shadow makes of each region's route then."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.known_models import (
    changes_by_revision,
    drift_lines,
    environment_models,
    model_changes,
    seen_in,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._catalogue.models_back import (
    gone_slots,
    models_back,
    models_moved,
    models_told,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_rules import NOTE_ANNOTATION
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Note,
    RolledBack,
    Traffic,
    wanted,
)
from hypothesis import example, given
from hypothesis import strategies as st

Json = dict[str, t.Any]
NAME: t.Final = "fraud"
V1, V2, V3 = "v1", "v2", "v3"
SLOTS: t.Final = ("blue", "green")


@dataclasses.dataclass(frozen=True)
class Region:
    """The version and the ready pods of each slot, the percent of green, and the note."""

    versions: tuple[str | None, str | None]
    ready: tuple[int, int]
    green: int
    note: Note | None

    @property
    def weights(self) -> dict[str, int]:
        return {"blue": 100 - self.green, "green": self.green}

    def read(self) -> Json:
        slots = {
            slot: {"version": version, "replicas": 2, "ready_replicas": ready}
            for slot, version, ready in zip(SLOTS, self.versions, self.ready, strict=True)
            if version is not None
        }
        live = max(self.weights, key=lambda slot: self.weights[slot])
        annotations = {NOTE_ANNOTATION: self.note.to_text()} if self.note else {}
        route = {"kind": "HTTPRoute", "metadata": {"name": NAME, "annotations": annotations}}
        service = {"live_slot": live, "slots": slots, "weights": self.weights}
        return {"revision": {"services": {NAME: service}, "objects": [route]}}

    def rolled_back(self, version: str) -> Region:
        """What model_shadow makes of it, which refuses another version than the one that is meant."""
        if self.note is not None and self.note.challenger != version:
            return self
        found = wanted(Traffic(self.weights), self.note, RolledBack())
        return dataclasses.replace(self, green=found.traffic.weights["green"], note=found.note)


def note(challenger: str = V2, champion: str | None = V1, *, promoted: bool = True, slot: str = "green") -> Note:
    return Note(challenger, slot, "canary", 0, 1.0, (5, 100), champion, 1.0, promoted)


#: v2 was promoted over v1, which is still warm.
PROMOTED: t.Final = Region((V1, V2), (2, 2), 100, note())
CANARY: t.Final = Region((V1, V2), (2, 2), 5, note(promoted=False))
ALONE: t.Final = Region((V1, V2), (2, 2), 0, None)
OF_V1: t.Final = {"champion": V1, "challenger": None, "strategy": None}
OF_V2: t.Final = {**OF_V1, "champion": V2}


def reads_of(*regions: Region | Json) -> dict[str, Json]:
    return {f"r{number}": one.read() if isinstance(one, Region) else one for number, one in enumerate(regions)}


def laid_out(then: Json | None, *regions: Region | Json, left: str = "") -> Json:
    return models_back({NAME: then} if then else None, reads_of(*regions), [NAME], 7, left)


VERSIONS = st.sampled_from([V1, V2, V3])
NOTES = st.builds(note, VERSIONS, st.none() | VERSIONS, promoted=st.booleans(), slot=st.sampled_from(SLOTS))
REGIONS = st.builds(
    Region,
    st.tuples(st.none() | VERSIONS, st.none() | VERSIONS),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from([0, 5, 50, 100]),
    st.none() | NOTES,
)
RECORDS = st.fixed_dictionaries(
    {"champion": st.none() | VERSIONS, "challenger": st.none() | VERSIONS, "strategy": st.just("canary")},
    optional={"unknown": st.just("r0 has v1, r1 has v2")},
)


@given(RECORDS, st.lists(REGIONS, min_size=1, max_size=3))
@example(OF_V1, [PROMOTED, PROMOTED])
@example(OF_V1, [CANARY, ALONE])
@example({**OF_V1, "challenger": V2}, [CANARY, PROMOTED])
@example(OF_V1, [Region((V1, V3), (2, 2), 100, note(V3)), PROMOTED])
def test_a_model_goes_back_whole_or_is_told(then: Json, regions: list[Region]) -> None:
    made = laid_out(then, *regions)
    seen = [seen_in(read, name, [NAME])[NAME] for name, read in reads_of(*regions).items()]
    as_recorded = all(
        not isinstance(one, str) and one.champion == then["champion"] and one.challenger in (None, then["challenger"])
        for one in seen
    )
    if as_recorded and not then.get("unknown"):
        assert made == {"back": {}, "told": []}
        return
    assert len(made["told"]) == 1
    if NAME not in made["back"]:
        assert made["told"][0].startswith(f"warning: {NAME} stays")
        return
    goes = made["back"][NAME]
    after = [region.rolled_back(goes["version"]) for region in regions]
    # Nobody but the champion of the revision serves, or what the revision had beside it.
    for one in (seen_in(region.read(), "r", [NAME])[NAME] for region in after):
        assert not isinstance(one, str)
        assert one.champion == then["champion"] == goes["champion"]
        assert one.challenger in (None, then["challenger"])
    moved = models_moved(made["back"], reads_of(*after), [f"r{number}" for number in range(len(after))])
    assert moved["told"] == [] and [one["version"] for one in moved["aliases"]] == [goes["version"]]
    # Whoever gets the traffic has pods for it.
    for region, back in zip(regions, after, strict=True):
        if back.green != region.green:
            assert region.ready[1 if back.green else 0] > 0


@given(RECORDS, st.lists(REGIONS, min_size=1, max_size=3))
def test_a_rollback_of_a_part_tells_what_would_go_and_what_would_stay(then: Json, regions: list[Region]) -> None:
    whole, part = laid_out(then, *regions), laid_out(then, *regions, left="this rollback is not for every region")
    assert part["back"] == {} and len(part["told"]) == len(whole["told"])
    assert all("this rollback is not for every region; look with" in line for line in part["told"])


def test_the_promoted_goes_and_a_challenger_alone_too() -> None:
    goes = {NAME: {"version": V2, "champion": V1}}
    told = ["fraud goes back with this rollback: v2 leaves the traffic, v1 serves"]
    assert laid_out(OF_V1, PROMOTED, PROMOTED) == {"back": goes, "told": told}
    assert laid_out(OF_V1, CANARY, PROMOTED) == {"back": goes, "told": told}
    assert laid_out({**OF_V1, "challenger": V2}, CANARY, CANARY) == {"back": {}, "told": []}
    # A challenger that the revision had does not come back, but its promotion goes.
    assert laid_out({**OF_V1, "challenger": V2}, PROMOTED)["back"] == goes
    assert laid_out(OF_V2, PROMOTED, PROMOTED) == {"back": {}, "told": []}


DEPLOY: t.Final = """deploy_model.yml -e model=fraud -e version=v1 -e strategy=direct -e "reason='revision 7'\""""


@pytest.mark.parametrize(
    ("then", "regions", "said"),
    [
        (
            OF_V1,
            [PROMOTED, dataclasses.replace(PROMOTED, note=None)],
            f"stays at v2, and revision 7 has v1: the route in r1 does not lead back to it; run {DEPLOY}",
        ),
        (
            OF_V1,
            [dataclasses.replace(PROMOTED, ready=(0, 2))],
            f"stays at v2, and revision 7 has v1: no pod of it is ready in r0; run {DEPLOY}",
        ),
        (
            OF_V1,
            [Region((V3, V2), (2, 2), 5, note(champion=V3, promoted=False))],
            "stays at v3, and revision 7 has v1: v2 is its challenger in r0; run rollback_model.yml -e model=fraud, "
            f"and then {DEPLOY}",
        ),
        (
            OF_V1,
            [CANARY, dataclasses.replace(CANARY, versions=(V1, V3), note=note(V3, promoted=False))],
            "stays as it is: another version would leave the traffic in each region (v2 in r0, v3 in r1); look with "
            "model_status.yml",
        ),
        ({**OF_V1, "champion": None}, [ALONE], "stays at v1: nothing served it in revision 7"),
        (
            {**OF_V1, "champion": None, "unknown": "r0 was away"},
            [ALONE],
            "stays as it is: who served it is not recorded with revision 7 (r0 was away); look with model_status.yml",
        ),
        (OF_V1, [PROMOTED, {"msg": "no answer"}], "stays as it is: r1: no answer; look with model_status.yml"),
    ],
)
def test_what_stays_is_told_with_what_to_run(then: Json, regions: list[Region | Json], said: str) -> None:
    assert laid_out(then, *regions) == {"back": {}, "told": [f"warning: {NAME} {said}"]}


def test_a_note_that_was_edited_and_a_slot_that_somebody_else_has_taken_are_no_way_back() -> None:
    read = PROMOTED.read()
    read["revision"]["objects"][0]["metadata"]["annotations"][NOTE_ANNOTATION] = "{}"
    made = laid_out(OF_V1, PROMOTED, read)
    assert made["told"] == [
        "warning: fraud stays as it is: r1: the annotation pincex.io/model of HTTPRoute fraud was edited; look with "
        "model_status.yml"
    ]
    assert laid_out(OF_V1, dataclasses.replace(PROMOTED, versions=(V3, V2)))["back"] == {}


def test_of_a_revision_without_models_nothing_is_known() -> None:
    assert laid_out(None, PROMOTED)["told"] == [
        "warning: the models stay as they are: revision 7 was recorded without them"
    ]
    assert laid_out(None, PROMOTED, left="this rollback is not for every region") == {"back": {}, "told": []}
    assert models_back({NAME: OF_V1}, {}, [NAME], 7) == {"back": {}, "told": []}
    assert models_back({NAME: OF_V1}, reads_of(PROMOTED), [], 7) == {"back": {}, "told": []}


def test_what_a_revision_records() -> None:
    both = environment_models(reads_of(CANARY, CANARY), [NAME, "risk"])
    nobody = {"champion": None, "challenger": None, "strategy": None}
    assert both == {NAME: {"champion": V1, "challenger": V2, "strategy": "canary"}, "risk": nobody}
    assert environment_models(reads_of(PROMOTED), [NAME]) == {NAME: OF_V2}
    # Weights alone make no champion while a challenger is noted.
    assert environment_models(reads_of(dataclasses.replace(CANARY, green=100)), [NAME])[NAME]["champion"] == V1
    mixed = environment_models(reads_of(CANARY, PROMOTED), [NAME])
    assert mixed == {NAME: {**nobody, "unknown": "r0 has v1 beside v2 (canary), r1 has v2"}}
    assert environment_models({}, [NAME])[NAME]["unknown"] == "no region was asked"
    away = environment_models(reads_of(PROMOTED, {"msg": "r1: no answer"}), [NAME, "risk"])
    assert {one["unknown"] for one in away.values()} == {"r1: no answer"}
    assert models_told(away, "deploy") == [
        "warning: who serves fraud, risk is recorded as unknown with this deploy: r1: no answer; look with "
        "model_status.yml"
    ]


def test_a_region_that_is_not_back_is_told_and_the_registry_follows_the_others() -> None:
    plan = {NAME: {"version": V2, "champion": V1}}
    reads = reads_of(ALONE, PROMOTED)
    moved = models_moved(plan, reads, ["r0", "r1"])
    alias = {"model": NAME, "version": V2, "champion": V1}
    run = "run rollback_model.yml -e model=fraud -e version=v2"
    assert moved == {"aliases": [alias], "told": [f"warning: fraud is not back at v1 in r1; {run}"]}
    unread = models_moved(plan, reads, ["r1", "r2"])
    assert unread == {"aliases": [], "told": [f"warning: fraud is not known to be back at v1 in r1, r2; {run}"]}
    bad = {"msg": "no answer", "reason": "", "release_fleet_model": alias}
    other = {"aliases": {"after": {"champion": V3}}, "release_fleet_model": alias}
    good = {"aliases": {"after": {"champion": V1}}, "release_fleet_model": alias}
    lines = models_told({}, "rollback", moved, [bad, other, good])
    says = "warning: v1 serves fraud, and the registry does not say so: "
    look = "its champion is v3; look with model_status.yml"
    assert lines == [*moved["told"], f"{says}no answer; {run}", f"{says}{look}"]


def test_slots_that_nobody_asks_go_to_zero_and_others_do_not() -> None:
    item = {"key": NAME, "value": {"version": V2, "champion": V1}}
    gone = {"release_region_model": item, "traffic": {"after": {"weights": {"blue": 100, "green": 0}}}}
    failed = {**gone, "msg": "the gateway does not accept it"}
    assert gone_slots([]) == gone_slots([failed]) == []
    assert [(field["name"], field["value"]) for field in gone_slots([gone, failed])] == [("fraud-green", 0)]
    # What was held while two versions were compared is free again, where it is there.
    hpa = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": f"{NAME}-blue"}}
    entries = {NAME: {"image": "registry/models", "hpa": {"min": 2, "max": 6, "cpu": 70}, "model": {"registry": "f"}}}
    freed = gone_slots([gone], entries, {"revision": {"objects": [hpa]}})
    assert {field["name"] for field in freed if field["kind"] == "HorizontalPodAutoscaler"} == {f"{NAME}-blue"}
    assert freed[-1]["value"] == 0


def test_changes_between_revisions() -> None:
    canary = {"champion": V1, "challenger": V2, "strategy": "canary"}
    assert model_changes({NAME: OF_V1}, {NAME: canary}) == {NAME: "v1 -> v1 beside v2 (canary)"}
    assert model_changes({}, {NAME: OF_V1, "risk": {**OF_V1, "unknown": "?"}}) == {
        NAME: "nothing -> v1",
        "risk": "nothing -> unknown",
    }
    headers = [
        {"number": 1, "outcome": "released"},
        {"number": 2, "outcome": "released", "models": {NAME: OF_V1}},
        {"number": 3, "outcome": "taken_back", "models": {NAME: OF_V2}},
        {"number": 4, "outcome": "incomplete", "models": {NAME: OF_V2}},
        {"number": 5, "outcome": "released", "follows": 4, "models": {NAME: OF_V1}},
        {"number": 6, "outcome": "released", "models": {NAME: OF_V2}},
    ]
    assert changes_by_revision(headers) == {2: {}, 4: {NAME: "v1 -> v2"}, 6: {}}


def test_a_champion_that_is_not_that_of_the_newest_revision_is_one_line() -> None:
    header = {"number": 7, "models": {NAME: OF_V1, "risk": {**OF_V1, "unknown": "?"}}}
    same = environment_models(reads_of(CANARY), [NAME])
    assert drift_lines(header, {"r0": same, "r1": {}}) == []
    assert drift_lines(None, {"r0": same}) == []
    since = {region: environment_models({region: PROMOTED.read()}, [NAME, "risk"]) for region in ("r0", "r1")}
    tail = "and revision 7 has v1; a model that was promoted since is no drift"
    assert drift_lines(header, since) == [f"model fraud: the champion is v2 in every region, {tail}"]
    assert drift_lines(header, {**since, "r1": same}) == [f"model fraud: the champion is v2 in r0, {tail}"]
    away = environment_models({"r1": {"msg": "no answer"}}, [NAME, "risk"])
    assert drift_lines(header, {"r0": same, "r1": away}) == ["models fraud, risk are not known: r1: no answer"]
