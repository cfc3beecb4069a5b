# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a lab on a machine that holds other things too."""

from __future__ import annotations

import pathlib

import pytest

from lab import leftovers, model, network, node

MOUNTS = """proc /proc proc rw 0 0
overlay /var/lib/pincex-lab/test/us/rootfs overlay rw 0 0
tmpfs /var/lib/pincex-lab/test/us/rootfs/run tmpfs rw 0 0
tmpfs /var/lib/pincex-lab/test/us-2/x tmpfs rw 0 0
tmpfs /var/lib/pincex-lab/test/us/with\\040blank tmpfs rw 0 0
"""


def test_mounts_below_a_folder_last_first() -> None:
    assert leftovers.mounts_below(pathlib.Path("/var/lib/pincex-lab/test/us"), MOUNTS) == [
        "/var/lib/pincex-lab/test/us/with blank",
        "/var/lib/pincex-lab/test/us/rootfs/run",
        "/var/lib/pincex-lab/test/us/rootfs",
    ]


def test_cni_records_of_one_region_only(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_CNI_RECORDS", tmp_path)
    here, other = (model.plan_lab(name, 1).regions[0] for name in ("scratch", "test"))
    ours = [f"{node.cni_network(here)}-abc-eth0", "cni-loopback-abc-lo"]
    for name in [*ours, f"{node.cni_network(other)}-def-eth0", "cni-loopback-def-lo"]:
        (tmp_path / name).touch()
    assert [path.name for path in leftovers.cni_records(here)] == ours


@pytest.mark.parametrize(
    ("route", "taken"),
    [
        ({"dst": "default", "dev": "eth0"}, False),
        ({"dst": "198.18.0.0/15", "type": "blackhole"}, False),
        ({"dst": "198.18.1.0/24", "dev": "pxlab0-1"}, False),
        ({"dst": "198.18.1.0/24", "dev": "eth1"}, True),
        ({"dst": "198.18.0.0/15", "dev": "tun0"}, True),
        ({"dst": "198.19.2.7", "dev": "eth1"}, True),
        ({"dst": "192.0.2.0/24", "dev": "eth0"}, False),
    ],
)
def test_whose_route_is_in_the_way(route: dict[str, str], taken: bool) -> None:
    assert bool(network.foreign_routes(model.plan_lab("demo"), [route])) is taken
