# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes back through the API server's proxy: whose answer it is, and what is wrong."""

from __future__ import annotations

import http.server
import json
import pathlib
import threading
import typing as t

import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.clock import SystemClock
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.errors import ApiError
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.http import NoAnswer
from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import open_transport
from ansible_collections.pincex.zero_downtime.plugins.module_utils._drain import pods
from fakes import FakeClock, FakeKube
from hypothesis import given, settings
from hypothesis import strategies as st
from pod_world import api_says


@pytest.mark.parametrize(
    ("method", "answer", "kind", "said"),
    [
        ("GET", (404, "NotFound", 'pods "e" not found'), "gone", 'there is no such pod: pods "e" not found'),
        (
            "POST",
            (403, "Forbidden", "no"),
            "unauthorized",
            'the API server forbids it, the rule apiGroups [""], resources [pods/proxy], verbs [create] is missing: no',
        ),
        ("GET", (403, "Forbidden", ""), "unauthorized", "resources [pods/proxy], verbs [get] is missing"),
        ("DELETE", (403, "Forbidden", ""), "unauthorized", "resources [pods/proxy], verbs [delete] is missing"),
        ("GET", (401, "Unauthorized", ""), "unauthorized", "does not accept the credential of the kubeconfig"),
        ("GET", (502, "", "refused"), "unreachable", "the API server does not reach the pod: refused"),
        ("GET", (503, "ServiceUnavailable", "dial tcp"), "unreachable", "does not reach the pod: dial tcp"),
        ("GET", (504, "Timeout", ""), "timeout", "the pod did not answer the API server in time"),
        ("GET", (429, "TooManyRequests", "later"), "server", "the API server answered 429: later"),
        ("GET", (500, "InternalError", "x"), "server", "the API server answered 500: x"),
        ("GET", (400, "BadRequest", "address not allowed"), "refused", "answered 400: address not allowed"),
    ],
)
def test_what_the_api_server_says_itself(method: str, answer: tuple[int, str, str], kind: str, said: str) -> None:
    found = pods.refusal_of(method, answer[0], api_says(*answer).body, renews=False)
    assert found is not None
    assert (found.kind, found.status) == (kind, answer[0])
    assert said in str(found)


def test_a_credential_that_is_renewed_is_waited_for() -> None:
    found = pods.refusal_of("GET", 401, api_says(401, "Unauthorized", "").body, renews=True)
    assert found is not None
    assert found.kind == "server"


def test_older_api_servers_say_it_as_text() -> None:
    found = pods.refusal_of(
        "GET", 503, b"Error trying to reach service: 'dial tcp 10.0.0.1:8080: refused'", renews=False
    )
    assert found is not None
    assert (found.kind, "dial tcp" in str(found)) == ("unreachable", True)


@given(
    st.integers(200, 599),
    st.one_of(st.binary(max_size=20), st.dictionaries(st.sampled_from(["kind", "reason", "apiVersion"]), st.text())),
)
@settings(max_examples=60, deadline=None)
def test_an_answer_of_the_exchange_is_its_own(status: int, body: bytes | dict[str, str]) -> None:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    if isinstance(body, dict) and (body.get("kind"), body.get("apiVersion")) == ("Status", "v1"):
        return
    assert pods.refusal_of("GET", status, text, renews=False) is None
    if status < 300:
        assert pods.refusal_of("GET", status, api_says(status, "", "").body, renews=False) is None


RUNNING = {"running": {"startedAt": "2026-11-21T10:00:00Z"}}
STATES = (RUNNING, {"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": {"exitCode": 1}})


@given(
    st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown"]),
    st.booleans(),
    st.lists(st.tuples(st.sampled_from(STATES), st.integers(0, 3)), max_size=3),
)
@settings(max_examples=80, deadline=None)
def test_a_gateway_is_a_pod_that_runs_and_does_not_end(
    phase: str, ends: bool, containers: list[tuple[dict[str, t.Any], int]]
) -> None:
    meta = {"name": "g", "uid": "u"} | ({"deletionTimestamp": "now"} if ends else {})
    statuses = [{"state": state, "restartCount": count} for state, count in containers]
    found = pods.gateway_of({"metadata": meta, "status": {"phase": phase, "containerStatuses": statuses}}, 8080)
    runs = phase == "Running" and not ends and RUNNING in [state for state, _count in containers]
    assert (found is not None) == runs
    if found is not None:
        assert found == pods.Gateway("g", "u", sum(count for _state, count in containers), 8080)


def test_a_pod_without_a_status_is_no_gateway() -> None:
    assert pods.gateway_of({"metadata": {"name": "g"}}, 8080) is None


def pod(name: str, **status: t.Any) -> dict[str, t.Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "exchange"}, "status": status}


def test_the_address_of_a_pod_and_why_there_is_none() -> None:
    server = FakeKube()
    found = pods.Pods(server, FakeClock(), "us-east-1", "exchange")
    assert found.address("e-0", 8080) == (None, "pod e-0 does not exist")
    server.put(pod("e-0", phase="Pending"))
    assert found.address("e-0", 8080) == (None, "pod e-0 has no address yet")
    for ip, url in (("10.0.0.7", "http://10.0.0.7:8080"), ("fd00::7", "http://[fd00::7]:8080")):
        server.put(pod("e-0", podIP=ip))
        assert found.address("e-0", 8080) == (url, "")


def test_the_missing_rule_is_named() -> None:
    server = FakeKube()
    server.denied = {("get", "pods"), ("list", "pods")}
    found = pods.Pods(server, FakeClock(), "us-east-1", "exchange")
    for verb, ask in (
        ("get", lambda: found.address("e-0", 8080)),
        ("list", lambda: found.gateways("a=b", 8080, 1.0)),
    ):
        with pytest.raises(ApiError) as error:
            ask()
        assert error.value.message.endswith(f'; the rule apiGroups [""], resources [pods], verbs [{verb}] is missing')


CONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{url}"}}}}]
users: [{{name: u, user: {{tokenFile: "{token}"}}}}]
contexts: [{{name: us-east-1, context: {{cluster: c, user: u}}}}]
"""


def test_a_renewed_token_is_used_and_a_silent_server_is_told(tmp_path: pathlib.Path) -> None:
    """With the connections and the credential of the kubeconfig, and nothing of our own beside them."""
    seen: list[tuple[str, str | None, bytes]] = []
    token = tmp_path / "token"
    token.write_text("old")

    class Wire(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers["Authorization"], body))
            token.write_text("new")
            good = self.headers["Authorization"] == "Bearer new"
            text = b'{"epoch": 7}' if good else api_says(401, "Unauthorized", "Unauthorized").body
            self.send_response(200 if good else 401)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_args: t.Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Wire)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    config = tmp_path / "kubeconfig"
    config.write_text(CONFIG.format(url=f"http://127.0.0.1:{server.server_address[1]}", token=token))
    transport = open_transport(str(config), "us-east-1", "us-east-1")
    found = pods.Pods(transport, SystemClock(), "us-east-1", "exchange")
    url = found.path("e-0", 8080) + "/control/cut"
    answer = found.send("POST", url, b"{}", {"Authorization": "Bearer of somebody else"}, 5.0)
    server.shutdown()
    server.server_close()
    assert answer == (200, b'{"epoch": 7}')
    path = "/api/v1/namespaces/exchange/pods/e-0:8080/proxy/control/cut"
    assert seen == [(path, "Bearer old", b"{}"), (path, "Bearer new", b"{}")]
    with pytest.raises(NoAnswer, match="the API server: "):
        found.send("POST", url, b"{}", {}, 1.0)
