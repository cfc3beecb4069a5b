# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wires of the lab: a network namespace for each site, one veth pair to the host, routes to the pods."""

from __future__ import annotations

import ipaddress
import json
import pathlib
import typing as t

from lab.model import SUPERNET, Lab, Site
from lab.shell import run

_BETWEEN_SITES = ("-i", "pxlab+", "-o", "pxlab+", "-j", "ACCEPT")

Route = dict[str, t.Any]


def routes() -> list[Route]:
    """The host's IPv4 routes. A route without a device (blackhole) has no `dev`."""
    found: list[Route] = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "main"]) or "[]")
    return found


def links() -> list[str]:
    return [entry["ifname"] for entry in json.loads(run(["ip", "-json", "link", "show"]) or "[]")]


def foreign_routes(lab: Lab, table: list[Route]) -> list[str]:
    """Networks of this lab that a route of somebody else already covers (the default route does not count)."""
    wanted = [
        ipaddress.ip_network(network)
        for site in lab.sites
        for network in (f"{site.address}/24", site.pod_network)
        for network in (str(ipaddress.ip_network(network, strict=False)),)
    ]
    found = []
    for route in table:
        destination = str(route.get("dst", "default"))
        if destination == "default" or route.get("type") == "blackhole":
            continue
        if str(route.get("dev", "")).startswith("pxlab"):
            continue
        taken = ipaddress.ip_network(destination, strict=False)
        if taken.prefixlen > 0 and any(taken.overlaps(network) for network in wanted):
            found.append(f"{destination} (dev {route.get('dev', '?')})")
    return found


def guard_supernet() -> None:
    """Before anything else: what is not up here must not leave the machine by its default route."""
    if not any(route.get("dst") == SUPERNET for route in routes()):
        run(["ip", "route", "replace", "blackhole", SUPERNET])


def let_sites_talk() -> None:
    """Where Docker has closed the host's forwarding, open it between the lab's own links, and nothing else."""
    if "-P FORWARD DROP" in run(["iptables", "-S", "FORWARD"], check=False) and not _opened():
        run(["iptables", "-I", "FORWARD", *_BETWEEN_SITES])


def _opened() -> bool:
    rules = run(["iptables", "-S", "FORWARD"], check=False).splitlines()
    return f"-A FORWARD {' '.join(_BETWEEN_SITES)}" in rules


def connect(site: Site) -> None:
    """Namespace, link, addresses, routes. Every command can be repeated."""
    if not pathlib.Path("/run/netns", site.netns).exists():
        run(["ip", "netns", "add", site.netns])
    if site.link not in links():
        run(["ip", "link", "add", site.link, "type", "veth", "peer", "name", "eth0", "netns", site.netns])
    run(["ip", "address", "replace", f"{site.host_address}/24", "dev", site.link])
    run(["ip", "link", "set", site.link, "up"])
    inside = (
        "link set lo up",
        f"address replace {site.address}/24 dev eth0",
        "link set eth0 up",
        f"route replace default via {site.host_address}",
    )
    run(["ip", "-netns", site.netns, "-batch", "-"], stdin="\n".join(inside) + "\n")
    run(["ip", "route", "replace", site.pod_network, "via", site.address, "dev", site.link])
    # Sites reach each other through the host. Only the lab's own links forward; the host's setting stays as it is.
    run(["sysctl", "-qw", f"net.ipv4.conf.{site.link}.forwarding=1"])
    enter = ["nsenter", f"--net=/run/netns/{site.netns}"]
    run([*enter, "sysctl", "-qw", "net.ipv4.ip_forward=1"])
    if site.has_node:
        run(["modprobe", "-aq", "br_netfilter", "nf_conntrack", "overlay"], check=False)
        # A pod that asks a Service whose pod is on the same bridge must get its answer through the same translation.
        run([*enter, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"], check=False)


def disconnect(site: Site) -> None:
    """Take away what connect() made. The link goes with its namespace, and the routes with the link."""
    if site.link in links():
        run(["ip", "link", "delete", site.link], check=False)
    if pathlib.Path("/run/netns", site.netns).exists():
        run(["ip", "netns", "delete", site.netns], check=False)


def drop_supernet() -> None:
    """The last lab takes the blackhole with it, and what it opened."""
    if any(link.startswith("pxlab") for link in links()):
        return
    if _opened():
        run(["iptables", "-D", "FORWARD", *_BETWEEN_SITES], check=False)
    if any(route.get("dst") == SUPERNET and route.get("type") == "blackhole" for route in routes()):
        run(["ip", "route", "delete", "blackhole", SUPERNET], check=False)
