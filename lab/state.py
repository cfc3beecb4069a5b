# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab knows about itself on disk: whose it is, whether it is whole, where to reach it."""

from __future__ import annotations

import collections.abc as c
import contextlib
import fcntl
import json
import pathlib
import typing as t

import yaml

from lab import control_plane, dns, flags, pki, programs
from lab.down import every_site
from lab.errors import LabError
from lab.model import Lab
from lab.node import REGISTRY

LOCKS = pathlib.Path("/run/lock")

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def locked(lab: Lab) -> c.Iterator[None]:
    """One `up` or `down` of a lab at a time. The kernel gives the lock back, even after a kill -9."""
    path = LOCKS / f"pincex-lab-{lab.name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(
                f"lab {lab.name}: another `up` or `down` of it is at work; wait for it, or see who: fuser {path}"
            ) from None
        yield


def read(path: pathlib.Path) -> dict[str, t.Any]:
    """A JSON file of ours; {} when it is not there or not whole."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def claim(lab: Lab, *, fix: bool) -> None:
    """Write whose lab this is, and whether it has FIX gateways, before anything of it runs."""
    owner = {"checkout": str(CHECKOUT), "regions": len(lab.regions), "fix": fix}
    pki.write(lab.home / "owner.json", json.dumps(owner) + "\n")


def owner(lab: Lab) -> dict[str, t.Any]:
    return read(lab.home / "owner.json")


def living(lab: Lab) -> list[str]:
    """Programs of the lab that run, as SITE/PROGRAM."""
    return [
        f"{site.name}/{name}" for site in every_site(lab) for name in programs.known(site) if programs.alive(site, name)
    ]


def refusal(lab: Lab, owned: c.Mapping[str, t.Any], running: c.Sequence[str], checkout: pathlib.Path) -> str | None:
    """Why this `up` may not touch what is there; None when it may."""
    if not running or not owned:
        return None
    theirs, regions = str(owned.get("checkout", "?")), owned.get("regions")
    stop = f"`python -m lab down --name {lab.name}`"
    if theirs != str(checkout):
        return f"lab {lab.name} is running and belongs to the checkout {theirs}; stop it with {stop} there (or here)"
    if regions != len(lab.regions):
        return f"lab {lab.name} is running with {regions} regions, not {len(lab.regions)}; stop it with {stop} first"
    return None


def merged_kubeconfig(lab: Lab) -> dict[str, t.Any]:
    """One context for each site, named like the site."""
    merged: dict[str, t.Any] = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for site in lab.sites:
        single = pki.kubeconfig(site, "admin")
        for part in ("clusters", "users", "contexts"):
            merged[part] += t.cast("list[object]", single[part])
    merged["current-context"] = lab.regions[0].name
    return merged


def write_kubeconfig(lab: Lab) -> None:
    pki.write(lab.kubeconfig, yaml.safe_dump(merged_kubeconfig(lab)), 0o600)


def write_state(lab: Lab) -> None:
    """Written last: who finds it may trust that the lab was whole."""
    regions = {
        site.name: {
            "gateway_url": f"http://{site.address}",
            "prometheus_url": f"http://{site.address}:9090",
            "audit_log": str(control_plane.audit_log(site)),
        }
        for site in lab.regions
    }
    state = {
        "lab": lab.name,
        "checkout": str(CHECKOUT),
        "kubeconfig": str(lab.kubeconfig),
        "registry": REGISTRY,
        "regions": regions,
        "management": {"audit_log": str(control_plane.audit_log(lab.management))},
        "dns": dns.state(lab),
        "flags": flags.state(lab),
    }
    pki.write(lab.home / "state.json", json.dumps(state, indent=2) + "\n")


def complete(lab: Lab) -> bool:
    return set(read(lab.home / "state.json").get("regions", {})) == {site.name for site in lab.regions}
