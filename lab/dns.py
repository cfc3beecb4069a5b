# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of a lab: PowerDNS as the authority of `pincex.test`, and unbound as the caching resolvers of its clients.

All of them run in the management site's network, which stays when a region dies.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import http.client
import json
import pathlib
import secrets
import sqlite3
import time
import typing as t

from lab import pki, programs
from lab.errors import LabError
from lab.model import Lab, Site

ZONE: t.Final = "pincex.test."
#: The weighted set: where new orders go.
SET: t.Final = f"api.{ZONE}"
#: Seconds; as short as the other times of the lab.
TTL: t.Final = 5
#: The part of a full lab that each region has.
FULL: t.Final = 50
PORT: t.Final = 53
API_PORT: t.Final = 8081
#: One resolver gives one answer to all its clients until the TTL is over. Clients have more than one.
RESOLVER_PORTS: t.Final = (5301, 5302, 5303, 5304)
#: Envoy's own: 200 while the gateway takes requests.
HEALTH: t.Final = "http://{address}:19003/ready"

_PATH: t.Final = "/api/v1/servers/localhost/zones"
_SCHEMA: t.Final = pathlib.Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
#: The record as dns_weight writes it. The lab uses nothing of the collection; a unit test holds the two together.
_RECORD: t.Final = (
    'A ";--[[dns_weight:v1]]local m={MEMBERS} local k,h,s,t={},{},{},{} '
    "for i,v in ipairs(m) do local a='127.0.0.'..i k[a]=v if v[3]~='' then h[a]=v[3] end "
    "if v[2]>0 then s[#s+1]={v[2],a} end end "
    "if next(h) then for _,a in ipairs(ifurlextup({h},{selector='all',backupSelector='all',timeout=2})) do "
    "if k[a][2]>0 then t[#t+1]={k[a][2],a} end end end "
    'if #t==0 then t=s end return k[pickwrandom(t)][4]"'
)


@dataclasses.dataclass(frozen=True)
class Api:
    """Where PowerDNS takes changes; it answers questions at the same address."""

    address: str
    port: int
    key: str

    def request(self, method: str, path: str, body: c.Mapping[str, t.Any] | None = None) -> tuple[int, bytes]:
        """One request: status and body. Raises OSError and HTTPException."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=5)
        try:
            headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
            connection.request(method, f"{_PATH}{path}", None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def ensure_zone(self, wanted: c.Mapping[str, t.Any]) -> bool:
        """Make the zone when there is none; False while the server does not answer."""
        try:
            status, _ = self.request("GET", f"/{wanted['name']}?rrsets=false")
            if status == 404:
                status, said = self.request("POST", "", wanted)
                if status != 201:
                    raise LabError(f"PowerDNS made no zone {wanted['name']} ({status}): {said[:300]!r}")
        except (OSError, http.client.HTTPException):
            return False
        return status in (200, 201)


def powerdns_config(folder: pathlib.Path, api: Api, port: int, allow: str) -> str:
    """What pdns_server reads. `allow`: the networks that may use the API."""
    settings = {
        "launch": "gsqlite3",
        "gsqlite3-database": folder / "pdns.db",
        "local-address": api.address,
        "local-port": port,
        "socket-dir": folder,
        "api": "yes",
        "api-key": api.key,
        "webserver": "yes",
        "webserver-address": api.address,
        "webserver-port": api.port,
        "webserver-allow-from": allow,
        "webserver-loglevel": "none",
        "enable-lua-records": "yes",
        "lua-health-checks-interval": 1,
        "default-soa-content": f"ns.@ hostmaster.@ 0 10800 3600 604800 {TTL}",
        # Empty: no question to the internet whether this version is still good.
        "security-poll-suffix": "",
        "loglevel": 3,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def unbound_config(folder: pathlib.Path, address: str, port: int, authority: str, allow: str) -> str:
    """What unbound reads: a cache of what the authority (ADDRESS@PORT) says, and of nothing else."""
    return f"""\
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  do-daemonize: no
  interface: {address}@{port}
  access-control: {allow} allow
  do-ip6: no
  do-not-query-localhost: no
  num-threads: 1
  msg-cache-size: 1m
  rrset-cache-size: 1m
  # The zone is not signed.
  module-config: "iterator"
  # No question leaves the lab; and without the last line nothing below `test.` would be asked either (RFC 6761).
  local-zone: "." refuse
  local-zone: "test." refuse
  local-zone: "{ZONE}" transparent
remote-control:
  control-enable: no
stub-zone:
  name: "{ZONE}"
  stub-addr: {authority}
"""


def has_schema() -> bool:
    """Whether the backend is installed."""
    return _SCHEMA.exists()


def create_database(folder: pathlib.Path) -> None:
    """An empty database, unless there is one."""
    file = folder / "pdns.db"
    if file.exists():
        return
    new = folder / "pdns.db.new"
    new.unlink(missing_ok=True)
    connection = sqlite3.connect(new)
    connection.executescript(_SCHEMA.read_text())
    connection.close()
    new.rename(file)


def zone(lab: Lab) -> dict[str, t.Any]:
    """The zone at the beginning: each region by its own name, and all of them by that of the set."""
    rows = [
        f"{{'{site.name}',{FULL},'{HEALTH.format(address=site.address)}',{{'{site.address}'}}}}" for site in lab.regions
    ]
    return {
        "name": ZONE,
        "kind": "Native",
        "nameservers": [f"ns.{ZONE}"],
        "rrsets": [
            _record_set(f"ns.{ZONE}", "A", lab.management.address),
            *(_record_set(f"{site.name}.{ZONE}", "A", site.address) for site in lab.regions),
            _record_set(SET, "LUA", _RECORD.replace("MEMBERS", ",".join(rows))),
        ],
    }


def _record_set(name: str, kind: str, content: str) -> dict[str, t.Any]:
    return {"name": name, "type": kind, "ttl": TTL, "records": [{"content": content, "disabled": False}]}


def key_file(lab: Lab) -> pathlib.Path:
    return _home(lab.management) / "api-key"


def state(lab: Lab) -> dict[str, t.Any]:
    """What the state file of the lab says about names."""
    address = lab.management.address
    return {
        "zone": ZONE,
        "name": SET,
        "ttl": TTL,
        "url": f"http://{address}:{API_PORT}",
        "api_key_file": str(key_file(lab)),
        "authority": f"{address}:{PORT}",
        "resolvers": [f"{address}:{port}" for port in RESOLVER_PORTS],
        "full": {site.name: FULL for site in lab.regions},
        "members": {
            site.name: {"targets": [site.address], "health": HEALTH.format(address=site.address)}
            for site in lab.regions
        },
    }


def start(lab: Lab, timeout_s: float = 20) -> None:
    """Run the servers, and make the zone when there is none: what is there may be the work of a release."""
    site, folder = lab.management, _home(lab.management)
    folder.mkdir(parents=True, exist_ok=True)
    if not key_file(lab).exists():
        pki.write(key_file(lab), secrets.token_urlsafe(24) + "\n", 0o600)
    create_database(folder)
    api = Api(site.address, API_PORT, key_file(lab).read_text().strip())
    allow = "198.18.0.0/15"
    pki.write(folder / "pdns.conf", powerdns_config(folder, api, PORT, allow), 0o600)
    programs.start(
        site, "powerdns", ["pdns_server", f"--config-dir={folder}", "--daemon=no", "--guardian=no"], cwd=folder
    )
    for port in RESOLVER_PORTS:
        file = folder / f"unbound-{port}.conf"
        pki.write(file, unbound_config(folder, site.address, port, f"{site.address}@{PORT}", allow))
        programs.start(site, f"unbound-{port}", ["unbound", "-d", "-p", "-c", file], cwd=folder)
    deadline = time.monotonic() + timeout_s
    while not api.ensure_zone(zone(lab)):
        if not programs.alive(site, "powerdns") or time.monotonic() > deadline:
            log = programs.tail(site, "powerdns")
            raise LabError(f"PowerDNS does not answer at {site.address}:{API_PORT}\n{log}")
        time.sleep(0.05)
    dead = [name for name in (f"unbound-{port}" for port in RESOLVER_PORTS) if not programs.alive(site, name)]
    if dead:
        raise LabError(f"{dead[0]} has ended\n{programs.tail(site, dead[0])}")


def _home(site: Site) -> pathlib.Path:
    return site.home / "dns"
