# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of the other slot."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import urllib.parse

#: It is in the same cluster: whoever has not answered by then is not there.
_TIMEOUT_S = 1.0


@dataclasses.dataclass(frozen=True)
class Peer:
    """Its name in the epoch record, and the address of its Service; both empty for an engine that is alone."""

    name: str = ""
    url: str = ""

    def has_journal(self) -> bool:
        """Whether it answers and has events. It blocks: call it in a thread."""
        parts = urllib.parse.urlsplit(self.url)
        if not parts.hostname:
            return False
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_TIMEOUT_S)
        with contextlib.closing(connection), contextlib.suppress(OSError, ValueError, http.client.HTTPException):
            connection.request("GET", "/leader")
            found = json.loads(connection.getresponse().read())
            return bool(found.get("sequence"))
        return False
