# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The undo of what a release did to a model's traffic, by its journal alone."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_restore import (
    State,
    Touched,
    touched_models,
    way_back,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_rules import (
    NOTE_ANNOTATION,
    MirrorRules,
    route_problem,
    traffic_of,
    with_traffic,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_traffic import (
    Buckets,
    Deployed,
    Intent,
    Mirror,
    Note,
    Promoted,
    RolledBack,
    Stepped,
    Traffic,
    other,
    traffic_problem,
    wanted,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._revision.decide_undo import touched_refs
from ansible_collections.pincex.zero_downtime.plugins.module_utils._traffic.restore import touched_routes
from fakes import answer_with
from hypothesis import given, settings
from hypothesis import strategies as st
from model_world import ALL_BLUE, HEADER, MIRRORED, ModelWorld, deployed
from route_samples import MODEL, model_route
from slot_world import ROUTE, S

AT = 1_766_400_000.0
ALL_GREEN = {"blue": 0, "green": 100}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> ModelWorld:
    return ModelWorld(monkeypatch).fill()


@pytest.mark.parametrize("strategy", ["shadow", "canary", "ab", "direct"])
def test_a_challenger_that_this_release_brought_gets_nothing_any_more(world: ModelWorld, strategy: t.Any) -> None:
    before = world.objects()
    _fleet, release = world.opened()
    told_before = world.now().traffic.told()
    world.act(deployed(world, strategy), release)
    told_after = world.now().traffic.told()
    would = world.restored(release, check_mode=True)
    assert world.objects() != before
    done = world.restored(release)
    assert (done.changed, done.routes) == (True, {S: {"before": told_after, "after": told_before}})
    assert would.routes == done.routes
    assert (done.kept, done.warnings) == ([], [])
    assert world.objects() == before
    again = world.restored(release)
    assert (again.changed, again.routes) == (False, {})


def test_weights_that_somebody_gave_the_undone_version_go_too(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.act(deployed(world), release)
    world.somebody(Traffic({"blue": 20, "green": 80}))
    assert world.restored(release).changed
    assert (world.now().traffic, world.now().note) == (Traffic(ALL_BLUE), None)


def test_a_step_goes_back_to_the_step_before_and_a_foreign_weight_stays(world: ModelWorld) -> None:
    world.act(deployed(world, "canary"))
    first = world.objects()
    _fleet, release = world.opened()
    world.act(Stepped(world.clock.now()), release)
    world.restored(release)
    assert world.objects() == first
    world.act(Stepped(world.clock.now()), release)
    world.somebody(Traffic({"blue": 60, "green": 40}))
    done = world.restored(release)
    assert done.kept == [
        "us-east-1: HTTPRoute core-api: somebody set the weights to blue 60, green 40 after the release; they stay"
    ]
    assert world.now().traffic == Traffic({"blue": 60, "green": 40})


def test_a_promotion_of_a_canary_goes_back_to_its_step(world: ModelWorld) -> None:
    world.act(deployed(world, "canary"))
    before = world.objects()
    _fleet, release = world.opened()
    world.act(Promoted(world.clock.now()), release)
    world.restored(release)
    assert world.objects() == before


@pytest.mark.parametrize("strategy", ["shadow", "ab"])
def test_a_promotion_that_is_taken_back_leaves_the_challenger_as_it_was(world: ModelWorld, strategy: t.Any) -> None:
    """It was there before: the promotion only gave it its first traffic, or more of it."""
    world.act(deployed(world, strategy))
    before = world.objects()
    _fleet, release = world.opened()
    world.act(Promoted(world.clock.now()), release)
    done = world.restored(release)
    assert (world.objects(), done.kept) == (before, [])


def test_a_weight_that_began_with_a_promotion_goes_whoever_made_it(world: ModelWorld) -> None:
    world.act(deployed(world))
    _fleet, release = world.opened()
    world.act(Promoted(world.clock.now()), release)
    world.somebody(Traffic({"blue": 60, "green": 40}))
    world.restored(release)
    assert world.now().traffic == Traffic(ALL_BLUE, Mirror("green", 10.0))


def test_a_rollback_is_not_undone(world: ModelWorld) -> None:
    world.act(deployed(world, "canary"))
    _fleet, release = world.opened()
    world.act(RolledBack(), release, back=True)
    assert touched_models(world.journaled(release)) == {}
    assert not world.restored(release).changed


@pytest.mark.parametrize("strategy", ["shadow", "canary", "ab"])
@pytest.mark.parametrize("promoted", [False, True])
def test_a_rollback_of_the_environment_is_undone_with_its_models(
    world: ModelWorld, strategy: t.Any, promoted: bool
) -> None:
    """There it is what the release does, also where a recovery goes on with it."""
    world.act(deployed(world, strategy))
    if promoted:
        world.act(Promoted(world.clock.now()))
    before = world.objects()
    _fleet, release = world.opened(kind="rollback")
    assert world.act(RolledBack(), release, back=True).changed
    assert (world.now().traffic, world.now().note) == (Traffic(ALL_BLUE), None)
    done = world.restored(release)
    assert (done.changed, done.kept) == (True, [])
    assert world.objects() == before
    assert not world.restored(release).changed
    recovered = dataclasses.replace(release, kind="recover")
    assert world.act(RolledBack(), recovered, back=True).changed
    assert world.restored(recovered).changed
    assert world.objects() == before


def test_what_others_take_back_leaves_it_alone(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.act(deployed(world), release)
    entries = world.journaled(release)
    assert touched_refs(entries) == []
    assert touched_routes(entries) == {}
    there = world.objects()
    assert not world.revision(state="restored", release=release)["changed"]
    assert not world.traffic(state="restored", release=release)["changed"]
    assert world.objects() == there


def test_a_killed_write_is_taken_back_by_its_intent(world: ModelWorld) -> None:
    """It was written, and the process did not live to say so."""
    before = world.objects()
    _fleet, release = world.opened()

    def killed(request: t.Any) -> None:
        if request.method == "PUT" and "/httproutes/" in request.path and "dryRun" not in request.query:
            world.server.after.remove(killed)
            raise KeyboardInterrupt

    world.server.after.append(killed)
    with pytest.raises(KeyboardInterrupt):
        world.act(deployed(world), release)
    (entry,) = world.journaled(release)
    assert (entry.done, world.now().traffic.mirror) == (False, Mirror("green", 10.0))
    assert world.restored(release).changed
    assert world.objects() == before


def test_a_route_that_is_gone_stays_away(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.act(deployed(world), release)
    del world.server.stored[ROUTE]
    done = world.restored(release)
    assert (done.changed, done.kept) == (
        False,
        ["us-east-1: HTTPRoute core-api was removed by somebody else; it stays away"],
    )


def test_an_edited_note_is_in_nobodys_way(world: ModelWorld) -> None:
    before = world.objects()
    _fleet, release = world.opened()
    world.act(deployed(world), release)
    stored = world.server.take(ROUTE)
    stored["metadata"]["annotations"][NOTE_ANNOTATION] = "v2"
    world.server.put(stored, "kubectl")
    world.restored(release)
    assert world.objects() == before


def test_what_stands_in_the_way_is_told_with_what_is_known(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.act(deployed(world), release)
    world.server.before.append(answer_with(403, times=99, method="PUT", path="/httproutes/"))
    with pytest.raises(ReleaseError) as caught:
        world.restored(release)
    assert "the traffic of models could not be taken back of core-api: " in caught.value.message
    assert (caught.value.kind, caught.value.partial["changed"]) == ("forbidden", False)


def test_what_is_not_accepted_yet_is_a_warning(world: ModelWorld) -> None:
    _fleet, release = world.opened()
    world.act(deployed(world), release)
    world.server.after.remove(world._accept)
    (warning,) = world.restored(release).warnings
    assert warning.startswith("us-east-1: route core-api is written, and not in effect yet: gateway exchange")
    assert world.now().traffic.mirror is None


_WEIGHTS = st.integers(0, 100).map(lambda blue: {"blue": blue, "green": 100 - blue})
_TRAFFIC = st.one_of(
    _WEIGHTS.map(Traffic),
    st.sampled_from(
        [
            Traffic(ALL_BLUE, Mirror("green", 10.0)),
            Traffic(ALL_GREEN, Mirror("blue", 0.5)),
            Traffic(ALL_BLUE, None, Buckets("green", HEADER, 30)),
            Traffic(ALL_GREEN, None, Buckets("blue", HEADER, 30)),
        ]
    ),
)
_NOTE = st.one_of(
    st.none(),
    st.builds(
        lambda version, slot, promoted: Note(version, slot, "shadow", 0, AT, (0,), "v1", AT, promoted),
        st.sampled_from(["v2", "v3"]),
        st.sampled_from(["blue", "green"]),
        st.booleans(),
    ),
)
_STATE = st.tuples(_TRAFFIC, _NOTE)


def routed(state: tuple[Traffic, Note | None], mirrored: MirrorRules = MIRRORED) -> t.Any:
    route = model_route()
    assert route_problem(route, state[0], mirrored) is None
    return with_traffic(route, state[0], state[1], mirrored)


def state_of(route: t.Any) -> State:
    found = State.of(route)
    assert found is not None
    return found


@settings(max_examples=300, deadline=None)
@given(_STATE, st.lists(_STATE, min_size=1, max_size=3), st.one_of(st.none(), _STATE))
def test_the_undone_version_gets_nothing_whatever_was_there(before: t.Any, written: t.Any, foreign: t.Any) -> None:
    """And doing it again, which every killed recovery does, changes nothing."""
    touched = Touched(state_of(routed(before)), tuple(state_of(routed(state)) for state in written))
    live = routed(foreign or written[-1])
    after, kept = way_back(touched, live)
    now = traffic_of(after)
    assert now is not None
    assert traffic_problem(now) is None
    slot = min(touched.emptied, default="")
    if len(touched.emptied) == 1 and touched.before.traffic.weights[other(slot)]:
        # Somebody else served before.
        assert now.shares[slot] == 0
    if touched.brought == {slot} and touched.before.traffic.weights[other(slot)]:
        assert now.copies[slot] == 0
        assert slot != getattr(state_of(after).note, "slot", None)
    if not touched.emptied and foreign is None:
        assert after == routed(before)
        assert kept == []
    assert way_back(touched, after)[0] == after


_INTENTS = st.lists(
    st.one_of(
        st.builds(
            lambda strategy, version, slot, at: Deployed(
                version, "v1", slot, strategy, {"shadow": (0,), "canary": (5, 100), "direct": (100,)}[strategy], at
            ),
            st.sampled_from(["shadow", "canary", "direct"]),
            st.sampled_from(["v2", "v3"]),
            st.sampled_from(["blue", "green"]),
            st.floats(AT, AT + 9),
        ),
        st.builds(Stepped, st.floats(AT, AT + 9)),
        st.builds(Promoted, st.floats(AT, AT + 9)),
    ),
    max_size=4,
)


def test_buckets_that_began_with_a_promotion_are_a_share_as_well() -> None:
    note = Note("v2", "green", "shadow", 0, AT, (0,), "v1", AT)
    before = (Traffic(ALL_BLUE, Mirror("green", 10.0)), note)
    written = (Traffic(ALL_GREEN), Note("v2", "green", "shadow", 0, AT, (0,), "v1", AT, promoted=True))
    touched = Touched(state_of(routed(before)), (state_of(routed(written)),))
    foreign = routed((Traffic(ALL_BLUE, None, Buckets("green", HEADER, 30)), written[1]))
    assert way_back(touched, foreign) == (routed(before), [])


@settings(max_examples=300, deadline=None)
@given(_INTENTS, _INTENTS)
def test_who_served_before_a_release_serves_after_its_undo(earlier: list[Intent], ours: list[Intent]) -> None:
    now: tuple[Traffic, Note | None] = (Traffic(ALL_BLUE), None)
    for intent in earlier:
        found = wanted(*now, intent)
        now = found.traffic, found.note
    before, written = now, []
    # A change of a model does one thing, and with `direct` the promotion after it; each has a journal of its own.
    direct = len(ours) > 1 and isinstance(ours[0], Deployed) and isinstance(ours[1], Promoted)
    for intent in ours[: 2 if direct else 1]:
        found = wanted(*now, intent)
        if not found.problem:
            now = found.traffic, found.note
            written.append(now)
    if not written:
        return
    touched = Touched(state_of(routed(before)), tuple(state_of(routed(state)) for state in written))
    after, kept = way_back(touched, routed(now))
    assert state_of(after).traffic.weights == before[0].weights
    if before[1] is None or any(note is None or note.challenger != before[1].challenger for _traffic, note in written):
        assert state_of(after).traffic.mirror is None
        return
    # Its own steps and its promotion bring nobody: it is a challenger as before, with its copies.
    assert (after, kept) == (routed(before), [])
    assert after["metadata"]["name"] == MODEL
