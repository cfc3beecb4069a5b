# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A moto server as a process of its own: run as a program it is the server, imported it starts one."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
import typing as t
from collections.abc import Iterator

#: The comment of a zone that is made with so many record sets in it: by the API, thousands take moto minutes.
SEEDED: t.Final = "seeded with {} record sets"
_STARTS_S: t.Final = 120.0


@contextlib.contextmanager
def moto_process() -> Iterator[int]:
    """The port of a server that ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    known = {**os.environ, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with subprocess.Popen(
        [sys.executable, __file__, str(port)], env=known, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait(process, port)
            yield port
        finally:
            process.kill()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _STARTS_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"moto ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"moto does not listen on port {port} after {_STARTS_S:g} s")


def _serve(port: int) -> None:
    from moto.route53 import models  # noqa: PLC0415 - only the process has to load moto
    from moto.server import main  # noqa: PLC0415 - as above

    make = models.Route53Backend.create_hosted_zone

    def make_seeded(self: t.Any, *given: t.Any, **named: t.Any) -> t.Any:
        zone = make(self, *given, **named)
        count = re.fullmatch(SEEDED.format(r"(\d+)"), str(named.get("comment")))
        for number in range(int(count[1]) if count else 0):
            name = f"n{number:05d}.{zone.name.rstrip('.')}."
            zone.add_rrset({"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": ["127.0.0.9"]})
        return zone

    models.Route53Backend.create_hosted_zone = make_seeded
    main(["-H", "127.0.0.1", "-p", str(port)])


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
