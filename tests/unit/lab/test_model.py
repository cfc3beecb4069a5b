# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two labs, and all sites of one, never share an address, a link or a folder."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

from lab.model import BLOCKS, REGION_NAMES, SUPERNET, plan_lab

EVERY_SITE = [site for name in BLOCKS for site in plan_lab(name, len(REGION_NAMES)).sites]


def test_no_two_sites_overlap() -> None:
    networks = [
        ipaddress.ip_network(text, strict=False)
        for site in EVERY_SITE
        for text in (f"{site.address}/24", site.pod_network, site.service_network)
    ]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(networks, 2))


def test_all_that_the_host_routes_to_is_behind_the_blackhole() -> None:
    supernet = ipaddress.ip_network(SUPERNET)
    for site in EVERY_SITE:
        assert ipaddress.ip_address(site.address) in supernet
        assert ipaddress.ip_network(site.pod_network).subnet_of(supernet)


def test_names_are_unique_and_links_fit_the_kernel() -> None:
    for attribute in ("netns", "link", "home"):
        values = [getattr(site, attribute) for site in EVERY_SITE]
        assert len(set(values)) == len(values)
    assert all(len(site.link) <= 15 for site in EVERY_SITE)


@pytest.mark.parametrize(("name", "regions", "part"), [("prod", 2, "--name prod"), ("demo", 0, "--regions 0")])
def test_a_bad_option_is_named(name: str, regions: int, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        plan_lab(name, regions)
