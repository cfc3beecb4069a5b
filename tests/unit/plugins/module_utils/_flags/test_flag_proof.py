# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task does when the client is missing, is another one, or answers something else than was meant."""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import typing as t
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags import (
    decide_apply,
    decide_change,
    decide_kills,
    prove,
)
from ansible_collections.pincex.zero_downtime.plugins.module_utils._flags.evaluate import Evaluator, Question
from flag_samples import fractional, switch
from flag_world import FlagWorld

Json = dict[str, t.Any]
PINS: t.Final = "openfeature-provider-flagd==0.5.2 openfeature-flagd-core==1.0.0"
FLAGS: t.Final = {"margin_trading": switch("off"), "new_fees": switch("on")}


class FakeClient:
    """Answers `answers`, or raises: `error` always, `late` when it is asked. `asked`: documents and questions."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, int]] = {}
        self.error: ReleaseError | None = None
        self.late: ReleaseError | None = None
        self.asked: list[tuple[str, Sequence[Question]]] = []

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def ask(self, document: str, questions: Sequence[Question], goes_on: Callable[[], bool]) -> dict[str, Counter[str]]:
        self.check()
        if self.late is not None:
            raise self.late
        self.asked.append((document, questions))
        return {one.flag: Counter(self.answers[one.flag]) for one in questions if goes_on()}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    made = FakeClient()
    monkeypatch.setattr(prove, "Evaluator", lambda: made)
    return made


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, client: FakeClient) -> FlagWorld:
    """Revision 1 in all stores, and the proof of what comes."""
    made = FlagWorld(monkeypatch, tmp_path)
    made.good("set", definitions=FLAGS)
    made.users = 10_000
    return made


def missing() -> ReleaseError:
    return ReleaseError("the client is missing", kind="library", system="controller")


CHANGES: t.Final[list[tuple[str, Json]]] = [
    ("set", {"definitions": {"x": switch()}}),
    ("toggle", {"flags": ["margin_trading"], "value": True}),
    ("rollout", {"flags": ["margin_trading"], "percent": 25}),
    ("ab", {"flags": ["margin_trading"], "weights": {"on": 1, "off": 1}}),
    ("rollback", {"revision": 1}),
    ("apply", {"wanted": {"margin_trading": True}}),
]


@pytest.mark.parametrize(("action", "given"), CHANGES)
def test_without_the_client_nothing_is_written(world: FlagWorld, client: FakeClient, action: str, given: Json) -> None:
    client.error = missing()
    before = world.everything()
    for check_mode in (True, False):
        result = world.call(action, check_mode=check_mode, **given)
        assert result["failed"] and result["error"]["kind"] == "library"
        assert result["msg"] == "the client is missing. Nothing was written"
    assert world.everything() == before


def test_without_the_client_kills_restores_and_repairs_go_through_with_a_warning(
    world: FlagWorld, client: FakeClient
) -> None:
    client.error = missing()
    for action in ("kill", "restore"):
        result = world.good(action, flags=["new_fees"])
        assert result["changed"] and result["verdict"] == "pass"
        assert result["warnings"] == ["not proved: the client is missing"] and result["evaluation"] == {}
    world.redis.keys.clear()
    assert world.good("reconcile")["repaired"] == ["redis"]


def test_0_users_prove_nothing(world: FlagWorld, client: FakeClient) -> None:
    client.error, world.users = missing(), 0
    assert world.good("toggle", flags=["margin_trading"], value=True)["evaluation"] == {}
    assert world.good("kill", flags=["margin_trading"])["warnings"] == []


def test_a_wrong_answer_fails_and_says_what_stands_and_how_to_go_back(world: FlagWorld, client: FakeClient) -> None:
    client.answers["margin_trading"] = {"on": 3_000, "off": 7_000}
    result = world.call("rollout", flags=["margin_trading"], percent=25)
    assert result["failed"] and result["error"]["kind"] == "not_proved" and result["error"]["system"] == "client"
    assert result["msg"] == (
        "margin_trading: 10000 users get off 70 %, on 30 %, and should get off 75 %, on 25 % "
        "(11.3 sigma; the limit is 4). "
        "What was written stands; go back with action rollback to revision 1"
    )
    assert (result["verdict"], result["reason"], result["changed"]) == ("fail", result["msg"], True)
    assert result["revision"] == {"before": 1, "after": 2} and len(result["stores"]) == 5
    assert result["evaluation"]["margin_trading"]["shares"] == {"off": 0.7, "on": 0.3}
    assert world.the_same()["metadata"]["version"] == "2"


@pytest.mark.parametrize(
    ("wrong", "task"),
    [
        ("toggled", ("toggle", {"flags": ["margin_trading"], "value": True})),
        ("rolled_out", ("rollout", {"flags": ["margin_trading"], "percent": 25})),
        ("split_up", ("ab", {"flags": ["margin_trading"], "weights": {"on": 1, "off": 3}})),
        ("rolled_out", ("apply", {"wanted": {"margin_trading": 25}})),
        ("_made_of", ("apply", {"wanted": {"margin_trading": switch("on")}})),
        ("_off", ("kill", {"flags": ["margin_trading"]})),
    ],
)
def test_it_is_what_was_asked_for_that_is_proved_and_not_what_we_made_of_it(
    world: FlagWorld, client: FakeClient, monkeypatch: pytest.MonkeyPatch, wrong: str, task: tuple[str, Json]
) -> None:
    """Each of them makes 30 % of everything, and clients see just that."""
    made = switch(targeting=fractional(("on", 30), ("off", 70)))
    for module in (decide_change, decide_apply, decide_kills):
        if hasattr(module, wrong):
            monkeypatch.setattr(module, wrong, lambda *_given: made)
    client.answers["margin_trading"] = {"on": 3_000, "off": 7_000}
    action, given = task
    assert "should get" in world.refused(action, **given)


def test_check_mode_tells_it_before_it_is_written(world: FlagWorld, client: FakeClient) -> None:
    client.answers["margin_trading"] = {"on": 3_000, "off": 7_000}
    before = world.everything()
    result = world.call("rollout", flags=["margin_trading"], percent=25, check_mode=True)
    assert result["error"]["kind"] == "not_proved" and result["msg"].endswith("Nothing was written")
    assert world.everything() == before
    assert '"version":"2"' in client.asked[0][0]


@pytest.mark.parametrize(("action", "other", "share"), [("kill", "restore", "on"), ("restore", "kill", "off")])
def test_a_kill_that_does_not_reach_clients_fails(
    world: FlagWorld, client: FakeClient, action: str, other: str, share: str
) -> None:
    client.answers["new_fees"] = {"off": 5}
    if action == "restore":
        world.good("kill", flags=["new_fees"])
    client.answers["new_fees"] = {share: 4, "(own default)": 1}
    assert world.refused(action, flags=["new_fees"]).endswith(
        f"What was written stands; take it back with action {other}"
    )


def test_a_client_that_refuses_the_document_fails_the_task(world: FlagWorld, client: FakeClient) -> None:
    client.late = ReleaseError("it cannot use the document", kind="not_proved", system="client")
    assert world.refused("toggle", flags=["new_fees"], value=False) == (
        "it cannot use the document. What was written stands; go back with action rollback to revision 1"
    )


def test_what_is_asked_for_is_what_counts_and_few_are_asked_where_all_get_the_same(
    world: FlagWorld, client: FakeClient
) -> None:
    client.answers = {"margin_trading": {"on": 5}, "new_fees": {"off": 2_500, "on": 7_500}}
    result = world.good("apply", wanted={"margin_trading": True, "new_fees": 75})
    assert [(one.flag, one.kind, one.users) for one in client.asked[-1][1]] == [
        ("margin_trading", "boolean", 5),
        ("new_fees", "boolean", 10_000),
    ]
    assert result["evaluation"]["new_fees"]["expected"] == {"off": 0.25, "on": 0.75}
    # One that is dead already is asked once more.
    client.answers = {"new_fees": {"off": 5}}
    world.good("kill", flags=["new_fees"])
    assert world.good("kill", flags=["new_fees"])["evaluation"]["new_fees"]["expected"] == {"off": 1.0}
    # A change of nothing asks nobody.
    asked = len(client.asked)
    world.good("toggle", flags=["margin_trading"], value=True)
    world.good("reconcile")
    assert len(client.asked) == asked


def test_what_a_store_has_is_asked_and_not_what_was_meant(world: FlagWorld, client: FakeClient) -> None:
    """Somebody edits Redis between the write and the look."""
    client.answers["margin_trading"] = {"on": 5}
    publish = world.redis.published

    class Editing(list[tuple[str, str]]):
        def append(self, one: tuple[str, str]) -> None:
            publish.append(one)
            key = "{pincex-flags}:document"
            world.redis.keys[key] = world.redis.keys[key].replace('"defaultVariant":"on"', '"defaultVariant":"off"')

    world.redis.published = Editing()
    said = world.refused("toggle", flags=["margin_trading"], value=True)
    assert said.startswith(
        "margin_trading: what was read back is not what was written: somebody else has edited its document"
    )


def test_a_kill_over_edited_content_is_asked_of_that_content(world: FlagWorld, client: FakeClient) -> None:
    """Each store has been edited in another way, so none has what the set is taken for."""
    for context, server in world.servers.items():
        data = server.stored[world.ref(context)].obj["data"]
        data["flags.flagd.json"] = data["flags.flagd.json"].replace('"new_fees":{', f'"new_fees":{{"{context}":1,')
    world.path.write_text("")
    key = "{pincex-flags}:document"
    world.redis.keys[key] = world.redis.keys[key].replace('"new_fees":{', '"new_fees":{"targeting":{},')
    client.answers["new_fees"] = {"off": 5}
    assert world.good("kill", flags=["new_fees"])["evaluation"]["new_fees"]["shares"] == {"off": 1.0}
    assert json.loads(client.asked[-1][0])["flags"]["new_fees"]["metadata"]["killed"] is True


def test_a_change_of_somebody_else_since_then_is_not_judged(world: FlagWorld, client: FakeClient) -> None:
    """A whole task of another writer, right after Redis was written."""
    client.answers["margin_trading"] = {"on": 5}
    publish = world.redis.published

    class Faster(list[tuple[str, str]]):
        def append(self, one: tuple[str, str]) -> None:
            world.redis.published = publish
            world.users = 0
            world.good("toggle", flags=["margin_trading"], value=False)

    world.redis.published = Faster()
    result = world.good("toggle", flags=["margin_trading"], value=True)
    assert result["evaluation"] == {}
    assert "not proved: margin_trading: somebody else has changed it meanwhile" in result["warnings"]


def test_the_next_store_is_read_back_when_one_is_gone(world: FlagWorld, client: FakeClient) -> None:
    client.answers["margin_trading"] = {"on": 5}
    publish = world.redis.published

    class Gone(list[tuple[str, str]]):
        def append(self, one: tuple[str, str]) -> None:
            publish.append(one)
            world.redis.away = True

    world.redis.published = Gone()
    result = world.good("toggle", flags=["margin_trading"], value=True)
    assert result["evaluation"]["margin_trading"]["shares"] == {"on": 1.0}
    assert any(one.startswith("not read back: redis: cannot read it") for one in result["warnings"])


def test_a_task_without_time_says_so(world: FlagWorld, client: FakeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    client.answers["margin_trading"] = {"on": 5}
    late = client.ask

    def slow(document: str, questions: Sequence[Question], goes_on: Callable[[], bool]) -> dict[str, Counter[str]]:
        world.clock.sleep(60)
        return late(document, questions, goes_on)

    monkeypatch.setattr(client, "ask", slow)
    result = world.good("toggle", flags=["margin_trading"], value=True)
    assert result["warnings"] == ["not proved: margin_trading: the task has no time left"]


# -- the class itself, where it is not there


def load_nothing(name: str) -> t.NoReturn:
    raise ImportError(name)


def no_package(name: str) -> t.NoReturn:
    raise importlib.metadata.PackageNotFoundError(name)


def load_broken(name: str) -> t.NoReturn:
    raise TypeError("Descriptors cannot be created directly")


@pytest.mark.parametrize(
    ("load", "version", "said"),
    [
        (load_nothing, lambda _name: "1.0.0", "the OpenFeature client is missing on the controller"),
        (load_nothing, no_package, "the OpenFeature client is missing on the controller"),
        (load_broken, lambda _name: "1.0.0", "the OpenFeature client cannot be loaded: Descriptors cannot be created"),
        (
            load_nothing,
            lambda _name: "2.0.0",
            "openfeature-flagd-core 2.0.0 hashes users otherwise than this collection",
        ),
        (load_nothing, lambda _name: "10.1", "openfeature-flagd-core 10.1 hashes users otherwise than this collection"),
    ],
)
def test_a_client_that_is_not_the_right_one_is_refused(
    load: Callable[[str], t.Any], version: Callable[[str], str], said: str
) -> None:
    for ask in (lambda made: made.check(), lambda made: made.ask("{}", [])):
        with pytest.raises(ReleaseError) as caught:
            ask(Evaluator(load, version))
        assert caught.value.kind == "library" and caught.value.message.startswith(said)
        assert f"install {PINS}, or set evaluate: {{users: 0}}" in caught.value.message
