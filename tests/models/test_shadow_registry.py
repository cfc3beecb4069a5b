# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""model_shadow on a real MLflow with users and TLS, from options to result. The cluster of the fleet is in memory."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models import registries, run
from mlflow_server import PASSWORD, MlflowServer
from shadow_world import MODEL, ShadowWorld, bad, good

NAMES: t.Final = ("v1.0.0", "v2.0.0", "v2.1.0")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[MlflowServer]:
    made = MlflowServer(tmp_path_factory.mktemp("mlflow"), secured=True)
    try:
        made.start()
        made.make(MODEL, *NAMES)
        made.point(MODEL, "champion", "2")
        yield made
    finally:
        made.stop()


def test_a_version_from_challenger_to_champion_and_back(
    server: MlflowServer, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    world = ShadowWorld(monkeypatch)
    monkeypatch.setattr(run, "registry_of", registries.registry_of)
    fleet, _region = world.releases()
    # The clock stands still while it answers, which takes long where much else is going on.
    options = {**server.options, "timeout_s": 60}
    given: dict[str, t.Any] = {"registry": options, "release": fleet}
    seen = []
    for state in ("deployed", "promoted", "rolled_back"):
        world.clock.elapsed += 1
        told = good(world.fleet(state, check_mode=True, **given))
        done = good(world.fleet(state, **given))
        assert done["changed"] and (told["aliases"], told["diff"]) == (done["aliases"], done["diff"])
        again = good(world.fleet(state, **given))
        assert (again["changed"], again["aliases"]["after"]) == (False, done["aliases"]["after"])
        seen.append(tuple(done["aliases"]["after"].values()))
    assert seen == [("v2.0.0", None, "v2.1.0"), ("v2.1.0", "v2.0.0", None), ("v2.0.0", None, None)]
    told = good(world.fleet("status", registry=options))
    assert [one["version"] for one in told["reigns"]] == ["v2.0.0", "v2.1.0", "v2.0.0"]
    assert [entry.done for entry in world.journaled()] == [True, True, True]
    wrong = tmp_path / "password"
    wrong.write_text("another-password")
    result = world.fleet("promoted", registry={**options, "password_file": str(wrong)}, release=fleet)
    bad(result, "auth")
    assert not any(secret in str(result) for secret in (PASSWORD, "another-password"))
    missing = world.fleet("status", registry={**options, "model": "nobody"})
    assert good(missing)["verdict"] == "none"
