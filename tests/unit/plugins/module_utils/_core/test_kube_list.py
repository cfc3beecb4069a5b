# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists in pages and trimmed, answers that are no JSON, and a credential that is being renewed."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.objects import Ref
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Answer, Request
from fakes import FakeClock, FakeKube, answer_with

POD = Ref("v1", "Pod", "p0", "exchange")


def pod(number: int) -> dict[str, t.Any]:
    template = {"metadata": {"labels": {}}, "spec": {}}
    meta = {"name": f"p{number}", "uid": f"u{number}"}
    return {"metadata": meta, "spec": {"env": ["much"], "template": template}, "status": {"phase": "Running"}}


class Pages:
    """A list of seven pods, three to a page."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: Request) -> Answer | None:
        if not request.path.endswith("/pods"):
            return None
        self.asked.append(dict(request.query))
        first = int(request.query.get("continue", 0))
        meta = {"resourceVersion": "900"} | ({"continue": str(first + 3)} if first + 3 < 7 else {})
        items = [pod(number) for number in range(first, min(first + 3, 7))]
        return Answer(200, json.dumps({"metadata": meta, "items": items}).encode(), {})


def test_pages_are_put_together_and_trimmed() -> None:
    server, pages, seen = FakeKube(), Pages(), []
    server.before.append(pages)

    def trim(obj: dict[str, t.Any]) -> dict[str, t.Any] | None:
        seen.append(obj["metadata"]["name"])
        return None if obj["metadata"]["name"] == "p4" else {"metadata": obj["metadata"]}

    items, version = server.api(FakeClock()).list_raw("v1", "Pod", "exchange", "app=core", trim)
    assert [item["metadata"]["name"] for item in items] == ["p0", "p1", "p2", "p3", "p5", "p6"]
    assert all(item.keys() == {"apiVersion", "kind", "metadata"} for item in items)
    assert version == "900"
    assert seen == [f"p{number}" for number in range(7)], "templates are nobody's object"
    assert [query.get("continue") for query in pages.asked] == [None, "3", "6"]
    assert all(query["labelSelector"] == "app=core" and int(query["limit"]) > 0 for query in pages.asked)


def test_a_page_that_the_server_has_forgotten_is_worth_another_list() -> None:
    server = FakeKube()
    server.before.append(answer_with(410, path="/pods"))
    kube = server.api(FakeClock())
    with pytest.raises(ApiError) as caught:
        kube.list("v1", "Pod", "exchange")
    assert caught.value.retriable
    assert kube.list("v1", "Pod", "exchange") == []


def test_an_answer_that_is_no_json_is_a_fault_of_the_way() -> None:
    server = FakeKube()
    server.before.append(lambda request: Answer(200, b"<html>log in</html>", {}) if "/pods" in request.path else None)
    with pytest.raises(ApiError, match="us-east-1: get Pod exchange/p0: the answer is no JSON") as caught:
        server.api(FakeClock()).get(POD)
    assert (caught.value.kind, caught.value.retriable) == ("server", True)


def test_a_credential_that_is_renewed_is_waited_for() -> None:
    server, clock = FakeKube(), FakeClock()
    server.renews = True
    server.before.append(answer_with(401, times=4, path="/pods"))
    assert server.api(clock).get(POD) is None
    assert clock.slept


def test_a_credential_that_is_not_renewed_is_refused_after_some_seconds() -> None:
    server, clock = FakeKube(), FakeClock()
    server.renews = True
    server.before.append(answer_with(401, times=1000, path="/pods"))
    kube = server.api(clock, deadline_s=2.0)
    with pytest.raises(ApiError) as caught:
        kube.get(POD)
    assert (caught.value.kind, caught.value.retriable) == ("unauthorized", True)
    clock.elapsed += 10
    slept = len(clock.slept)
    with pytest.raises(ApiError) as caught:
        kube.get(POD)
    assert (caught.value.kind, caught.value.retriable) == ("unauthorized", False)
    assert len(clock.slept) == slept
    server.before.clear()
    kube.get(POD)
    server.before.append(answer_with(401, path="/pods"))
    assert kube.get(POD) is None, "the next time is another time"
