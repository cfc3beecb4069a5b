# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server in memory of the unit tests on a port of loopback, for playbooks with the real modules."""

from __future__ import annotations

import contextlib
import http.server
import threading
import typing as t
import urllib.parse

from ansible_collections.pincex.zero_downtime.plugins.module_utils._core.transport import Request
from fakes import FakeKube


@contextlib.contextmanager
def served(kube: FakeKube) -> t.Iterator[str]:
    """Its address. One request at a time: the server in memory knows no others."""
    lock = threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urllib.parse.urlsplit(self.path)
            asked = Request(
                self.command,
                parts.path,
                dict(urllib.parse.parse_qsl(parts.query)),
                body or None,
                self.headers.get("Content-Type") or "application/json",
            )
            with lock:
                answer = kube.request(asked, 10.0)
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, *_given: t.Any) -> None:
            """Nothing: the requests are kept by the server in memory."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
