# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a write of a release."""

from __future__ import annotations

import json
import typing as t

import pytest

from chaos.mutations import Leases, Request, Write, body_of, command_of, is_write, step_of, weights_of, what_of

SPACE = "/apis/apps/v1/namespaces/exchange"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/exchange/leases"
JOURNAL = "/api/v1/namespaces/exchange/configmaps/pincex-release-journal"
POD = "/api/v1/namespaces/exchange/pods/matching-engine-blue-0"


def request(method: str, target: str, **body: t.Any) -> Request:
    return Request.of(method, target, json.dumps(body).encode() if body else b"")


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        (request("GET", f"{SPACE}/deployments"), False),
        (request("POST", f"{SPACE}/deployments", kind="Deployment"), True),
        (request("PATCH", f"{SPACE}/deployments/a?fieldManager=x"), True),
        (request("PATCH", f"{SPACE}/deployments/a?fieldManager=x&dryRun=All"), False),
        (request("DELETE", f"{SPACE}/deployments/a", dryRun=["All"]), False),
        (request("DELETE", f"{SPACE}/deployments/a?dryRun=All", kind="DeleteOptions"), True),
        (request("DELETE", f"{SPACE}/deployments/a"), True),
        (request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", kind="x"), False),
        (request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", kind="x"), False),
    ],
)
def test_writes(asked: Request, counts: bool) -> None:
    assert is_write(asked) is counts


def lease(holder: str, token: int, **more: t.Any) -> dict[str, t.Any]:
    spec = {"holderIdentity": holder, "leaseTransitions": token, **more}
    return {"kind": "Lease", "metadata": {"name": "pincex-release"}, "spec": spec}


def test_a_renewal_is_no_write_and_a_change_of_hands_is_one() -> None:
    leases = Leases()
    taken = request("POST", LEASES, **lease("a", 1))
    assert not leases.renews(taken)
    leases.answered(taken, 201, taken.body)
    one = f"{LEASES}/pincex-release"
    assert leases.renews(request("PUT", one, **lease("a", 1, renewTime="later")))
    assert not leases.renews(request("PUT", one, **lease("b", 2)))
    assert not leases.renews(request("PUT", one, **lease("", 1)))


def test_a_refused_change_of_hands_changes_nothing() -> None:
    leases = Leases()
    one = request("PUT", f"{LEASES}/pincex-release", **lease("a", 1))
    leases.answered(one, 409, json.dumps({"kind": "Status"}).encode())
    assert not leases.renews(one)
    leases.answered(request("GET", f"{LEASES}/pincex-release"), 200, json.dumps(lease("a", 1)).encode())
    assert leases.renews(one)


def test_what_is_written() -> None:
    assert what_of(request("PATCH", f"{SPACE}/deployments/a"), {}) == "deployments/a"
    made = request("POST", f"{SPACE}/deployments", metadata={"name": "b"})
    assert what_of(made, body_of(made.body)) == "deployments/b"


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (request("POST", f"{POD}:8080/proxy/control/cut", deadline_s=10), "POST cut of matching-engine-blue-0"),
        (request("POST", f"{POD}:8080/proxy/control/follow", url="x"), "POST follow of matching-engine-blue-0"),
        (
            request("DELETE", f"{POD}:8080/proxy/control/announce", command_id="1"),
            "DELETE announce of matching-engine-blue-0",
        ),
        (request("PUT", f"{POD}/proxy/ops/v2/phase/open"), "PUT ops/v2/phase/open of matching-engine-blue-0"),
        (request("POST", f"{POD}:http/proxy/control/mode?x=1"), "POST mode of matching-engine-blue-0"),
        (
            request("POST", f"{POD.replace('pods/', 'pods/https:')}:8443/proxy/cut"),
            "POST cut of matching-engine-blue-0",
        ),
    ],
)
def test_what_a_pod_is_asked_through_the_api_server(asked: Request, name: str) -> None:
    assert is_write(asked)
    assert str(Write(asked.method, what_of(asked, body_of(asked.body)), "")) == name


def test_what_a_zone_is_asked() -> None:
    zone = "/api/v1/servers/localhost/zones/pincex.test."
    content = "A \";--[[dns_weight:v1]]local m={{'us',0,'',{'192.0.2.1'}},{'eu',50,'',{'192.0.2.2'}}} local k\""
    asked = request("PATCH", zone, rrsets=[{"name": "api.pincex.test.", "records": [{"content": content}]}])
    assert is_write(asked)
    assert weights_of(asked) == (("us", 0), ("eu", 50))
    assert what_of(asked, body_of(asked.body)) == "weights us=0,eu=50"
    gone = request("PATCH", zone, rrsets=[{"name": "api.pincex.test.", "changetype": "DELETE"}])
    assert (weights_of(gone), what_of(gone, body_of(gone.body))) == ((), "zones/pincex.test.")
    assert weights_of(request("PATCH", f"{SPACE}/deployments/a", rrsets=[{"records": [{"content": content}]}])) == ()


def test_a_question_to_a_pod_is_no_write_and_a_pod_is_an_object() -> None:
    assert not is_write(request("GET", f"{POD}:8080/proxy/control/proof?sequence=7"))
    assert not request("GET", f"{POD}:8080/proxy/control/follow").is_watch
    assert what_of(request("DELETE", POD), {}) == "pods/matching-engine-blue-0"


def test_only_a_pod_has_commands() -> None:
    assert command_of(request("POST", f"{POD}:8080/proxy/control/cut", command_id="a-1-cut")) == "a-1-cut"
    assert command_of(request("POST", f"{POD}:8080/proxy/control/cut")) == ""
    assert command_of(request("POST", f"{SPACE}/deployments", command_id="a-1-cut")) == ""


def test_a_journal_says_which_step_it_is() -> None:
    entry = json.dumps({"step": "prepare api", "done": False})
    assert step_of(request("PATCH", JOURNAL, data={"0003": entry})) == "prepare api"
    ended = json.dumps({"step": "prepare api", "done": True})
    assert step_of(request("PATCH", JOURNAL, data={"0003": ended})) == "prepare api done"
    assert step_of(request("PATCH", JOURNAL, data={"release": json.dumps({"state": "closed"})})) == "closed"
    assert step_of(request("PATCH", f"{SPACE}/deployments/a", data={"0003": entry})) is None
