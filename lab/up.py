# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a lab up: each step printed with its time, the sites side by side, everything repeatable."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from lab import (
    checks,
    control_plane,
    dns,
    exchange_install,
    flags,
    gateway,
    gateway_parts,
    images,
    metrics_server,
    monitoring,
    network,
    node,
    packages,
    registry,
    state,
)
from lab.binaries import Binaries, prepare
from lab.down import down, leftover_sites
from lab.errors import LabError
from lab.kube import Kube
from lab.model import Lab, Site
from lab.steps import Steps

#: Where the fleet's lease and journal lie, in the management cluster; the inventory names it too.
FLEET_NAMESPACE = "pincex-fleet"


def up(lab: Lab, steps: Steps, *, bare: bool = False, fix: bool = False) -> None:
    """A whole lab, whatever was there before: nothing, half of one, a dead one. Bare: control planes and nodes only.
    With `fix` every region has a FIX gateway, and keeps it."""
    running = state.living(lab)
    checks.machine(fresh=not running)
    checks.refuse(state.refusal(lab, state.owner(lab), running, state.CHECKOUT))
    packages.install(steps)
    if not running and leftover_sites(lab):
        with steps.step("lab", "cleaned what a dead lab had left"):
            down(lab, steps)
    checks.wires(lab)
    fix = fix or bool(running and state.owner(lab).get("fix"))
    state.claim(lab, fix=fix)
    with steps.step("lab", f"networks of {', '.join(site.name for site in lab.sites)}"):
        network.guard_supernet()
        network.let_sites_talk()
        for site in lab.sites:
            network.connect(site)
    with concurrent.futures.ThreadPoolExecutor(len(lab.sites) + 1) as pool:
        # The base image and Envoy come over the network while a cold machine compiles.
        pushed = (
            []
            if bare
            else [
                pool.submit(_images, lab, steps, fix),
                pool.submit(_envoy),
                pool.submit(_names, lab, steps),
                pool.submit(_flags, lab, steps),
            ]
        )
        try:
            bins = prepare(steps)
        except LabError:
            if not running:
                _wait(pushed, quiet=True)
                down(lab, steps)
            raise
        sites = [pool.submit(_site, lab, site, bins, steps, bare) for site in lab.sites]
        _wait([*sites, *pushed])
        state.write_kubeconfig(lab)
        _wait([] if bare else [pool.submit(_exchange, site, steps, fix) for site in lab.regions])
    state.write_state(lab)


def _wait(tasks: c.Sequence[concurrent.futures.Future[None]], *, quiet: bool = False) -> None:
    """Until all are done; then the first failure, as one sentence where it is the network's or the API's."""
    concurrent.futures.wait(tasks)
    for task in tasks:
        error = task.exception()
        if error is None or quiet:
            continue
        if isinstance(error, ApiException | HTTPError | OSError):
            raise LabError(f"{type(error).__name__}: {error}; the same `up` again goes on from here") from error
        raise error


def _site(lab: Lab, site: Site, bins: Binaries, steps: Steps, bare: bool) -> None:
    with steps.step(site.name, "API server ready"):
        control_plane.start(site, bins)
        if site.has_node:
            node.start_containerd(site, lab, bins)
        control_plane.wait(site)
    control_plane.start_controllers(site, bins)
    kube = Kube(site.admin_kubeconfig)
    if not site.has_node:
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": FLEET_NAMESPACE}})
        return
    with steps.step(site.name, "node Ready"):
        node.start_kubelet(site, bins)
        node.install_storage(site, kube)
        node.wait(site, kube)
    if not bare:
        _addons(site, bins, steps)


def _addons(site: Site, bins: Binaries, steps: Steps) -> None:
    """Side by side: most of their time is waiting for a first answer."""

    def start(text: str, call: c.Callable[[Site, Binaries], object]) -> None:
        with steps.step(site.name, text):
            call(site, bins)

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        _wait(
            [
                pool.submit(start, "gateway answers", gateway.start),
                pool.submit(start, "Prometheus ready", monitoring.start),
                pool.submit(start, "metrics-server available", metrics_server.start),
            ]
        )


def _images(lab: Lab, steps: Steps, fix: bool) -> None:
    with steps.step("registry", "registry answers"):
        registry.start(lab)
    with steps.step("registry", "images built and pushed"):
        images.build_and_push(lab, fix)


def _names(lab: Lab, steps: Steps) -> None:
    with steps.step("management", "PowerDNS and resolvers answer"):
        dns.start(lab)


def _flags(lab: Lab, steps: Steps) -> None:
    with steps.step("management", "Redis and its bridge serve flags"):
        flags.start(lab)


def _envoy() -> None:
    gateway_parts.envoy_folder()


def _exchange(site: Site, steps: Steps, fix: bool) -> None:
    with steps.step(site.name, "matching engine ready"):
        exchange_install.install(site)
    if fix:
        with steps.step(site.name, "FIX gateway ready"):
            exchange_install.install_fix(site)
