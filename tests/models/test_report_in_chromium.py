# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a comparison as Chromium shows it: every plot is painted, nothing runs off the page, no foreign text
runs, and nothing is fetched."""

from __future__ import annotations

import pathlib
import typing as t

import numpy as np
import pytest
from ansible_collections.pincex.zero_downtime.plugins.module_utils._models.report import write
from chromium import Chromium, Json, Pixels
from report_samples import HOSTILE, sample

#: Where each plot is, with the colour of its lines.
_PLOTS: t.Final = """[...document.querySelectorAll("figure svg")].map(svg => {
  const box = svg.getBoundingClientRect(), color = name => {
    const found = svg.querySelector(`.${name}`), style = found && getComputedStyle(found);
    return found && (style.stroke !== "none" && !name.startsWith("dot") ? style.stroke : style.fill) };
  return {x: box.x, y: box.y + scrollY, width: box.width, height: box.height, heading: svg.closest("figure")
    .querySelector("h2").textContent, looks: ["line.champion", "line.challenger", "line.limit", "line.before",
    "dot.challenger"].map(color).filter(Boolean)} })"""
#: What is wider than the page, or drawn beyond its own plot.
_BEYOND: t.Final = """[...document.querySelectorAll("body *")].filter(one => {
  const box = one.getBoundingClientRect(), plot = one.ownerSVGElement;
  const room = plot ? plot.getBoundingClientRect() : {left: 0, right: innerWidth};
  return box.width && (box.left < room.left - 1 || box.right > room.right + 1)
  }).map(one => one.outerHTML.slice(0, 200))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Chromium]:
    made = Chromium(tmp_path_factory.mktemp("chromium"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert write(str(path), sample(6000, bad=0.5))
    return path.as_uri()


def has(picture: Pixels, color: str) -> int:
    """How many pixels have about that colour, which is as a style sheet has it: rgb(1, 2, 3)."""
    wanted = np.array([int(one) for one in color.removeprefix("rgb(").removesuffix(")").split(",")])
    return int((np.abs(picture.astype(np.int32) - wanted).max(axis=2) < 60).sum())


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_runs_off_the_page(browser: Chromium, address: str, width: int) -> None:
    browser.show(address, width)
    assert browser.eval("innerWidth") == width
    assert browser.eval("document.documentElement.scrollWidth") <= width
    assert browser.eval(_BEYOND) == []


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_every_plot_is_painted_with_all_of_its_lines(browser: Chromium, address: str, width: int, dark: bool) -> None:
    browser.show(address, width, dark)
    found: list[Json] = browser.eval(_PLOTS)
    headings = [one["heading"] for one in found]
    assert headings == ["Latency", "Accuracy", "Accuracy by segment", "Agreement by segment", "Scores"]
    for one in found:
        assert one["looks"], one["heading"]
        picture = browser.picture({name: one[name] for name in ("x", "y", "width", "height")})
        for color in one["looks"]:
            assert has(picture, color) > 40, (one["heading"], color)


def test_foreign_text_is_text_and_nothing_is_fetched(browser: Chromium, address: str) -> None:
    browser.show(address, 1280)
    assert HOSTILE in browser.eval("document.body.innerText")
    assert browser.eval("document.title") == "price-prediction: v2.1.0 beside v2.0.0"
    assert browser.eval("document.querySelectorAll('script, img').length") == 0
    assert browser.requests == [address]
    assert browser.messages == []


def test_what_the_others_look_for_is_found_where_it_is(browser: Chromium, tmp_path: pathlib.Path) -> None:
    """A page with everything that these tests say there is not: they would see it."""
    path = tmp_path / "bad.html"
    path.write_text(f"<body><p style='width: 2000px'>wide</p>{HOSTILE}<script>console.error('said')</script>")
    browser.show(path.as_uri(), 400)
    assert browser.eval("document.title") == "ran"
    assert browser.eval("document.documentElement.scrollWidth") > 400
    assert len(browser.eval(_BEYOND)) == 1
    assert any(one.startswith("http://127.0.0.1:9/") for one in browser.requests)
    assert any("said" in one for one in browser.messages)
    blank = browser.picture({"x": 0, "y": 200, "width": 100, "height": 100})
    assert blank.shape == (100, 100, 3) and has(blank, "rgb(213, 94, 0)") == 0
