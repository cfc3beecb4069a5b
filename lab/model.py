# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab is made of: its name, its networks, its regions and where their files lie. No I/O."""

from __future__ import annotations

import dataclasses
import pathlib
import typing as t

#: RFC 2544 keeps 198.18.0.0/15 for benchmarks of network devices: never routed on the public internet.
SUPERNET = "198.18.0.0/15"

ROOT = pathlib.Path("/var/lib/pincex-lab")


@dataclasses.dataclass(frozen=True)
class Site:
    """One control plane in a network namespace of its own: a region with a node, or `management` without.

    Addresses: `index` is unique inside a lab; `block` inside the machine, so that two labs never share a network.
    """

    lab: str
    name: str
    index: int
    block: int
    has_node: bool

    @property
    def home(self) -> pathlib.Path:
        return ROOT / self.lab / self.name

    @property
    def netns(self) -> str:
        return f"lab-{self.lab}-{self.name}"

    @property
    def link(self) -> str:
        """Host side of the veth pair; the kernel allows 15 characters."""
        return f"pxlab{self.block}-{self.index}"

    @property
    def host_address(self) -> str:
        return f"198.18.{self.block * 16 + self.index}.1"

    @property
    def address(self) -> str:
        """The one address of the site: API server 6443, gateway 80, Prometheus 9090; management: registry 5000,
        names 53, their API 8081, resolvers 5301-5304, flags in Redis 6379 and for clients 8015."""
        return f"198.18.{self.block * 16 + self.index}.2"

    @property
    def pod_network(self) -> str:
        return f"198.19.{self.block * 16 + self.index}.0/24"

    @property
    def service_network(self) -> str:
        return f"10.{96 + self.block}.{self.index}.0/24"

    @property
    def api_server(self) -> str:
        return f"https://{self.address}:6443"

    @property
    def admin_kubeconfig(self) -> pathlib.Path:
        return self.home / "pki" / "admin.kubeconfig"


@dataclasses.dataclass(frozen=True)
class Lab:
    """A named set of sites. `block` (0-15) picks the networks: 0 for `demo`, 1 for `test`, 2 for `scratch`."""

    name: str
    block: int
    regions: tuple[Site, ...]
    management: Site

    @property
    def home(self) -> pathlib.Path:
        return ROOT / self.name

    @property
    def sites(self) -> tuple[Site, ...]:
        return (self.management, *self.regions)

    @property
    def kubeconfig(self) -> pathlib.Path:
        return self.home / "kubeconfig"


REGION_NAMES: t.Final = ("us-east-1", "eu-west-1", "ap-northeast-1", "sa-east-1", "ap-southeast-1", "eu-central-1")
#: `scratch` is for the tests of up and down themselves, which must not take the lab of the other tests away.
BLOCKS: t.Final = {"demo": 0, "test": 1, "scratch": 2}


def plan_lab(name: str, regions: int = 2) -> Lab:
    """Lay out a lab of that many regions.

    Raises ValueError when the name or the number of regions is not one that has networks of its own.
    """
    if name not in BLOCKS:
        raise ValueError(f"--name {name}: unknown lab; use one of {', '.join(BLOCKS)}")
    if not 1 <= regions <= len(REGION_NAMES):
        raise ValueError(f"--regions {regions}: use 1 to {len(REGION_NAMES)}")
    block = BLOCKS[name]
    management = Site(lab=name, name="management", index=0, block=block, has_node=False)
    sites = tuple(
        Site(lab=name, name=region, index=position, block=block, has_node=True)
        for position, region in enumerate(REGION_NAMES[:regions], start=1)
    )
    return Lab(name=name, block=block, regions=sites, management=management)
