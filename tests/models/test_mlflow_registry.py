# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry against a real MLflow: what it reads and writes, what each of its refusals becomes, and promotions
through a proxy that loses answers."""

from __future__ import annotations

import math
import pathlib
import time
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ReleaseError, TryLater
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_promotion import Wanted
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.decide_reigns import reigns
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.mlflow_registry import MlflowRegistry
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.promote import Done, Job, promote
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.registry import (
    LARGEST_ENTRY,
    Entry,
    Move,
    Note,
    Registry,
    Version,
)
from fault_proxy import Fault, FaultProxy, half, no_json, reset, slow, status, times
from mlflow_server import PASSWORD, MlflowServer
from powerdns_server import free_ports

NAMES: t.Final = ("v1.0.0", "v2.0.0", "v2.1.0")
PROMOTED: t.Final = Wanted("promoted", "v2.1.0", "anna", "better on ETH")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[MlflowServer]:
    made = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[MlflowServer]:
    made = MlflowServer(tmp_path_factory.mktemp("secured"), secured=True)
    try:
        made.start()
        made.make("price", *NAMES)
        yield made
    finally:
        made.stop()


@pytest.fixture
def model(request: pytest.FixtureRequest, server: MlflowServer) -> str:
    """A model of its own for each test, with three versions: the server is one for all of them."""
    name = request.node.name.replace("[", "-").replace("]", "")
    server.make(name, *NAMES)
    return name


@pytest.fixture
def proxy(server: MlflowServer) -> t.Iterator[FaultProxy]:
    made = FaultProxy(server.port)
    yield made
    made.stop()


def soon(seconds: float = 60.0) -> float:
    return time.monotonic() + seconds


def registry(options: t.Mapping[str, t.Any], /, **changes: t.Any) -> MlflowRegistry:
    return MlflowRegistry.from_options({**options, **changes}, SystemClock())


def run(found: Registry, model: str, wanted: Wanted = PROMOTED) -> Done:
    return promote(Job(found, model, SystemClock(), soon(), lambda: math.inf), wanted)


def failing(call: t.Callable[[], object]) -> ReleaseError:
    with pytest.raises(ReleaseError) as caught:
        call()
    return caught.value


# -- against the real one


def test_versions_have_the_names_that_people_gave_them(server: MlflowServer, model: str) -> None:
    server.make(f"{model}-beside", "v9")
    server.must("POST", "model-versions/create", {"name": model, "source": "s3://models/one"})
    found = registry(server.options).versions(model, soon())
    assert set(found) == {Version("1", "v1.0.0"), Version("2", "v2.0.0"), Version("3", "v2.1.0"), Version("4")}


def test_versions_come_in_pages(server: MlflowServer, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{MlflowRegistry.__module__}._PAGE", 2)
    found = registry(server.options).versions(model, soon())
    assert sorted(version.number for version in found) == ["1", "2", "3"]


def test_an_alias_moves_and_goes_and_going_twice_is_no_error(server: MlflowServer, model: str) -> None:
    one = registry(server.options)
    assert one.read(model, soon()).aliases == {}
    for step in (Move("champion", "1"), Move("champion", "2"), Move("challenger", "3"), Move("champion", "2")):
        one.write(model, step, soon())
    # What others use aliases for is none of ours.
    server.point(model, "blessed", "1")
    assert one.read(model, soon()).aliases == {"champion": "2", "challenger": "3"}
    for _twice in range(2):
        one.write(model, Move("challenger", None), soon())
    assert one.read(model, soon()).aliases == {"champion": "2"}


def test_the_history_keeps_the_largest_entry_and_what_others_tag_is_left(server: MlflowServer, model: str) -> None:
    one = registry(server.options)
    server.must("POST", "registered-models/set-tag", {"name": model, "key": "team", "value": "pricing"})
    server.must("POST", "registered-models/set-tag", {"name": model, "key": "pincex.history.x", "value": "odd"})
    empty = Entry("b", "promoted", "3", "anna", "", 2.0, {}, {"champion": "3"})
    room = LARGEST_ENTRY - len(empty.to_text().encode())
    large = Entry("b", "promoted", "3", "anna", "x" * room, 2.0, {}, {"champion": "3"})
    early = Entry("a", "promoted", "2", "bert", 'ü "quoted" 木', 1.0, {}, {"champion": "2"}, "done")
    for entry in (large, early):
        one.write(model, Note(entry), soon())
    assert one.read(model, soon()).history == (early, large)
    assert len(large.to_text().encode()) == LARGEST_ENTRY


def test_the_history_outlives_the_version_that_it_tells_of(server: MlflowServer, model: str) -> None:
    one = registry(server.options)
    run(one, model)
    server.must("DELETE", "model-versions/delete", {"name": model, "version": "3"})
    found = one.read(model, soon())
    assert found.aliases == {}
    assert [(entry.version, entry.actor, entry.reason) for entry in found.history] == [("3", "anna", "better on ETH")]


def test_a_model_or_version_that_is_not_there_is_not_found(server: MlflowServer, model: str) -> None:
    one = registry(server.options)
    assert failing(lambda: one.read("nobody", soon())).to_result() == {
        "kind": "not_found",
        "system": "mlflow",
        "region": None,
        "retriable": False,
    }
    error = failing(lambda: one.write(model, Move("champion", "77"), soon()))
    assert (error.kind, error.retriable) == ("not_found", False)
    assert "77" in error.message
    assert one.versions("nobody", soon()) == ()


def test_what_it_does_not_take_is_refused_with_its_own_words(server: MlflowServer, model: str) -> None:
    one = registry(server.options)
    error = failing(lambda: one.write(model, Move(t.cast("t.Any", "v7"), "1"), soon()))
    assert (error.kind, error.retriable) == ("refused", False)
    assert "alias" in error.message


def test_a_url_that_is_no_mlflow_is_told(server: MlflowServer, model: str) -> None:
    one = registry(server.options, url=f"{server.options['url']}/elsewhere")
    assert failing(lambda: one.read(model, soon())).kind == "refused"
    nobody = registry({"url": f"http://127.0.0.1:{free_ports(1)[0]}"})
    error = failing(lambda: nobody.read(model, soon(1)))
    assert (error.kind, error.retriable) == ("unreachable", True)


def test_a_model_is_promoted_and_taken_back_and_the_history_says_who_served_when(
    server: MlflowServer, model: str
) -> None:
    one = registry(server.options)
    first = run(one, model, Wanted("promoted", "v2.0.0", "anna", "the first"))
    assert (first.before, first.after) == ({}, {"champion": "2"})
    run(one, model, Wanted("challenger", "v2.1.0", "anna", "shadow", over="v2.0.0"))
    second = run(one, model)
    assert second.after == {"champion": "3", "previous_champion": "2"} == one.read(model, soon()).aliases
    assert not run(one, model).changed
    back = run(one, model, Wanted("rolled_back", "", "watch", "accuracy 0.79 below 0.85"))
    assert back.after == {"champion": "2"} == one.read(model, soon()).aliases
    assert not run(one, model, Wanted("rolled_back", "", "watch", "once more")).changed
    told = [(reign.version, reign.actor, reign.reason) for reign in reigns(one.read(model, soon()))]
    assert told == [
        ("2", "anna", "the first"),
        ("3", "anna", "better on ETH"),
        ("2", "watch", "accuracy 0.79 below 0.85"),
    ]


# -- users and TLS


def test_the_right_user_by_tls_may_promote(secured: MlflowServer) -> None:
    assert run(registry(secured.options), "price").after == {"champion": "3"}


def test_a_wrong_password_is_told_without_it(secured: MlflowServer, tmp_path: pathlib.Path) -> None:
    (tmp_path / "wrong").write_text("not-the-password\n")
    error = failing(lambda: registry(secured.options, password_file=str(tmp_path / "wrong")).read("price", soon()))
    assert (error.kind, error.retriable) == ("auth", False)
    assert "401" in error.message
    assert "not-the-password" not in error.message
    assert (
        failing(lambda: registry(secured.options, username=None, password_file=None).read("price", soon())).kind
        == "auth"
    )


def test_a_user_who_may_only_read_is_told_so(secured: MlflowServer, tmp_path: pathlib.Path) -> None:
    secured.must("POST", "users/create", {"username": "reader", "password": "password-of-reader"})
    (tmp_path / "reader").write_text("password-of-reader\n")
    one = registry(secured.options, username="reader", password_file=str(tmp_path / "reader"))
    one.read("price", soon())
    error = failing(lambda: one.write("price", Move("champion", "1"), soon()))
    assert (error.kind, error.retriable) == ("auth", False)
    assert "403" in error.message
    assert "reader" in error.message


def test_an_authority_that_nobody_named_is_no_reason_to_try_again(secured: MlflowServer) -> None:
    error = failing(lambda: registry(secured.options, ca_cert=None).read("price", soon()))
    assert (error.kind, error.retriable) == ("unreachable", False)
    assert PASSWORD not in error.message


# -- faults


@pytest.mark.parametrize(
    "fault",
    [status(503), status(500), status(429, Retry_After="1"), reset, half(0), half(20)],
    ids=["503", "500", "429", "reset", "lost", "half"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_fault_that_passes_is_tried_through(
    server: MlflowServer, model: str, proxy: FaultProxy, fault: Fault, method: str
) -> None:
    server.point(model, "champion", "2")
    proxy.method, proxy.fault = method, times(2, fault, before=1)
    assert run(registry({"url": proxy.url}), model).after == {"champion": "3", "previous_champion": "2"}
    assert proxy.spoiled == 2
    direct = registry(server.options).read(model, soon())
    assert direct.aliases == {"champion": "3", "previous_champion": "2"}
    assert [entry.state for entry in direct.history] == ["done"]


def test_a_fault_that_stays_ends_inside_the_time(model: str, proxy: FaultProxy) -> None:
    proxy.fault = status(503)
    began = time.monotonic()
    error = failing(lambda: registry({"url": proxy.url}).read(model, soon(2)))
    assert (error.kind, error.retriable) == ("unreachable", True)
    assert time.monotonic() - began < 2.5
    assert proxy.spoiled > 2


def test_it_waits_as_long_as_it_is_asked_to(model: str, proxy: FaultProxy) -> None:
    proxy.fault = times(1, status(429, Retry_After="2"))
    began = time.monotonic()
    registry({"url": proxy.url}).read(model, soon())
    assert time.monotonic() - began >= 2
    proxy.fault = status(429, Retry_After="90")
    error = failing(lambda: registry({"url": proxy.url}).read(model, soon(5)))
    assert isinstance(error, TryLater)
    assert (error.kind, error.wait_s, proxy.spoiled) == ("throttled", 90, 2)


def test_a_write_is_tried_once_and_silence_leaves_it_open(model: str, proxy: FaultProxy) -> None:
    one = registry({"url": proxy.url})
    proxy.fault = slow(1)
    error = failing(lambda: one.write(model, Move("champion", "1"), soon(0.5)))
    assert (error.kind, error.retriable, error.unsure, proxy.spoiled) == ("timeout", True, None, 1)
    error = failing(lambda: one.write(model, Move("champion", "1"), soon(0)))
    assert (error.kind, error.unsure, proxy.spoiled) == ("timeout", False, 1)


def test_an_answer_that_is_no_json_is_told(model: str, proxy: FaultProxy) -> None:
    proxy.fault = no_json
    error = failing(lambda: registry({"url": proxy.url}).read(model, soon()))
    assert (error.kind, proxy.spoiled) == ("refused", 1)


def test_a_server_that_echoes_a_secret_is_not_repeated(model: str, proxy: FaultProxy, tmp_path: pathlib.Path) -> None:
    (tmp_path / "token").write_text("spoiled\n")
    proxy.fault = status(403)
    # The proxy says "spoiled with 403", which is the token here.
    error = failing(lambda: registry({"url": proxy.url}, token_file=str(tmp_path / "token")).read(model, soon()))
    assert error.kind == "auth"
    assert "spoiled" not in error.message
    error = failing(lambda: registry({"url": proxy.url}).read(model, soon()))
    assert "spoiled" in error.message


def test_a_token_is_sent_and_read_anew_for_every_request(model: str, proxy: FaultProxy, tmp_path: pathlib.Path) -> None:
    seen: list[str] = []

    def look(handler: t.Any, _proxy: FaultProxy) -> bool:
        seen.append(handler.headers["Authorization"])
        return False

    proxy.fault = look
    (tmp_path / "token").write_text("one\n")
    one = registry({"url": proxy.url}, token_file=str(tmp_path / "token"))
    one.read(model, soon())
    (tmp_path / "token").write_text("two\n")
    one.read(model, soon())
    assert seen == ["Bearer one", "Bearer two"]
    (tmp_path / "token").write_text("\n")
    assert "registry.token_file" in failing(lambda: one.read(model, soon())).message
