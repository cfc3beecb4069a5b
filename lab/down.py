# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take a lab off the machine, whatever state it is in: alive, half started, killed, or left by another checkout."""

from __future__ import annotations

import concurrent.futures
import pathlib
import shutil

from lab import cgroups, leftovers, network, programs
from lab.errors import LabError
from lab.model import REGION_NAMES, Lab, Site, plan_lab
from lab.shell import run
from lab.steps import Steps

#: Stopped in this order, after the add-ons. The API server hangs at its end when etcd is gone before it.
_BASE = (
    "kubelet",
    "kube-proxy",
    "containerd",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
)


def every_site(lab: Lab) -> tuple[Site, ...]:
    """All sites that a lab of this name can have: an earlier `up` may have had more regions."""
    return plan_lab(lab.name, len(REGION_NAMES)).sites


def leftover_sites(lab: Lab) -> list[Site]:
    """Sites of which anything is on the machine."""
    links = network.links()
    return [site for site in every_site(lab) if _exists(site, links)]


def _exists(site: Site, links: list[str]) -> bool:
    return (
        site.home.exists()
        or site.link in links
        or pathlib.Path("/run/netns", site.netns).exists()
        or bool(cgroups.below(cgroups.of_site(site)))
        or bool(leftovers.cni_records(site))
    )


def down(lab: Lab, steps: Steps) -> None:
    """Leave nothing: processes, containers, mounts, namespaces, links, routes, cgroups, files."""
    sites = leftover_sites(lab)
    if sites:
        with concurrent.futures.ThreadPoolExecutor(len(sites)) as pool:
            for done in [pool.submit(_site_down, site, steps) for site in sites]:
                done.result()
    cgroups.remove(cgroups.of_lab(lab.name))
    cgroups.remove_top()
    _remove(lab.home)
    network.drop_supernet()
    if not sites:
        steps.say("lab", f"{lab.name}: nothing to stop")


def _site_down(site: Site, steps: Steps) -> None:
    with steps.step(site.name, "stopped"):
        for name in programs.known(site):
            if name not in _BASE:
                programs.stop(site, name, timeout_s=3)
        # The kubelet first, or it starts again what is stopped behind its back.
        for name in ("kubelet", "kube-proxy"):
            programs.stop(site, name, timeout_s=3)
        leftovers.kill_all(lambda: leftovers.processes_in_cgroups(site))
        programs.stop(site, "containerd", timeout_s=5)
        # What is left keeps nothing that outlives the lab: no need to wait for a polite end.
        for name in _BASE[3:]:
            programs.stop(site, name, timeout_s=0)
        pods = leftovers.pod_namespaces(site)
        leftovers.kill_all(lambda: leftovers.processes_in_netns(site.netns, *pods))
        leftovers.kill_all(lambda: leftovers.processes_in_cgroups(site))
        leftovers.unmount(site.home)
        for name in pods:
            run(["ip", "netns", "delete", name], check=False)
        for record in (*leftovers.cni_records(site), *leftovers.log_links(site)):
            record.unlink(missing_ok=True)
        cgroups.remove(cgroups.of_site(site))
        network.disconnect(site)
        _remove(site.home)


def _remove(folder: pathlib.Path) -> None:
    """Delete a folder of the lab, but never through a mount."""
    left = leftovers.mounts_below(folder)
    if left:
        raise LabError(f"{left[0]} is still mounted; not deleting {folder}")
    if folder.exists():
        shutil.rmtree(folder)
