# Copyright: (c) 2026, Pincex release engineering
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The board fits, whatever the terminal is, and shows every region."""

from __future__ import annotations

from ansible_collections.pincex.zero_downtime.plugins.plugin_utils import _board_view as view
from ansible_collections.pincex.zero_downtime.plugins.plugin_utils._board import Board
from board_samples import began, failed, fleet, opened, passed, planned
from hypothesis import given, settings
from hypothesis import strategies as st

REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1")


def board_of(*names: str) -> Board:
    board = Board("deploy", names)
    for name in names:
        board.take_facts(name, opened())
        board.take_facts(name, planned())
    return board


def a_release_in_its_second_wave() -> Board:
    board = board_of(*REGIONS)
    board.take_facts("us-east-1", fleet() | began())
    board.take_facts("us-east-1", passed(4) | {"release_region_verdict": "released"})
    board.take_facts("eu-west-1", began())
    board.take_facts("eu-west-1", passed(1))
    board.take_start("eu-west-1", "pincex.zero_downtime.k8s_rollout_gate")
    return board


def drawn(board: Board, width: int, height: int | None = None, signs: view.Signs = view.UNICODE) -> list[str]:
    return [view.plain(line) for line in view.draw(board, width=width, height=height, signs=signs)]


def test_wide_enough_for_a_grid() -> None:
    assert drawn(a_release_in_its_second_wave(), 100) == [
        "deploy v2 (20261121t092656z, revision 7)",
        "region          prepare    core-api   core-api   bake",
        "                core-api   10%        100%",
        "us-east-1       ✓ 2.0s     ✓ 2.0s     ✓ 2.0s     ✓ 2.0s     released in 8.0s",
        "eu-west-1       ✓ 2.0s     ● gate     ·          ·          running since 09:26:58Z",
        "ap-northeast-1  ·          ·          ·          ·          untouched",
    ]


def test_as_wide_as_most_terminals() -> None:
    assert drawn(a_release_in_its_second_wave(), 79, signs=view.ASCII) == [
        "deploy v2 (20261121t092656z, revision 7)",
        "us-east-1       ++++  released in 8.0s",
        "eu-west-1       +>..  running since 09:26:58Z  2/4 core-api 10 %: gate",
        "ap-northeast-1  ....  untouched",
    ]


def test_narrow() -> None:
    assert drawn(a_release_in_its_second_wave(), 30) == [
        "deploy v2 (20261121t092656z, …",
        "us-east-1   ✓✓✓✓  released in…",
        "eu-west-1   ✓●··  running sin…",
        "ap-northe…  ····  untouched",
    ]


def test_why_a_region_failed_stands_below() -> None:
    board = a_release_in_its_second_wave()
    board.take_facts("eu-west-1", failed(2, "core-api error rate is 20 %, above 5 % for 1 s"))
    assert drawn(board, 79)[2:] == [
        "eu-west-1       ✓✓✗·  taking back since 09:27:01Z",
        "ap-northeast-1  ····  untouched",
        "eu-west-1: core-api error rate is 20 %, above 5 % for 1 s",
    ]
    board.take_facts("eu-west-1", fleet("undo") | {"release_region_verdict": "taken_back"})
    board.end()
    assert drawn(board, 79)[0] == "deploy v2 (20261121t092656z, revision 7), decision: undo"
    assert drawn(board, 79)[2] == "eu-west-1       ✓✓✗·  taken_back"


def test_while_the_old_slots_are_kept_warm() -> None:
    board = a_release_in_its_second_wave()
    board.take_start("us-east-1", "ansible.builtin.wait_for")
    assert drawn(board, 79)[1] == "us-east-1       ✓✓✓✓  released, standby"
    board.end()
    assert drawn(board, 79)[1] == "us-east-1       ✓✓✓✓  released in 8.0s"


def test_before_there_is_a_plan() -> None:
    board = Board("deploy", REGIONS)
    board.take_facts("us-east-1", opened())
    assert drawn(board, 79) == ["deploy", "us-east-1  untouched"]


def test_more_regions_than_lines() -> None:
    names = [f"region-{number:02}" for number in range(30)]
    board = board_of(*names)
    board.take_facts("region-07", began())
    board.take_facts("region-09", {"release_region_verdict": "released"})
    board.take_facts("region-21", {"release_region_verdict": "stuck", "release_region_reason": "no API"})
    assert drawn(board, 79, 5) == [
        "deploy v2 (no release)",
        "region-00  ····  untouched",
        "region-07  ●···  running since 09:26:56Z  1/4 prepare core-api",
        "region-21  ····  stuck",
        "and 1 released, 26 untouched",
    ]
    # Title, two lines of head, every region, and why one is stuck.
    assert len(drawn(board, 79)) == 1 + 2 + 30 + 1


def test_a_release_of_more_steps_than_signs_fit() -> None:
    board = board_of("us-east-1")
    board.take_facts("us-east-1", planned(*(f"step {number}" for number in range(60))) | began())
    assert drawn(board, 79)[1] == "us-east-1  running since 09:26:56Z  1/60 step 0"


def test_colours_follow_what_became_of_a_region() -> None:
    lines = view.draw(a_release_in_its_second_wave(), width=79)
    assert [line[2].tone for line in lines[1:]] == ["good", "busy", "dim"]


def test_signs_of_two_cells_and_of_none() -> None:
    assert [view.cells(text) for text in ("東京", "e\u0301", "✓…")] == [4, 1, 2]
    board = board_of("東京-1", "us-1")
    assert [view.cells(line.partition("·")[0]) for line in drawn(board, 40)[1:]] == [8, 8]


WORDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
VERDICTS = st.sampled_from(["untouched", "released", "taken_back", "stuck", "unreachable", "?"])


@settings(max_examples=100, deadline=None)
@given(
    names=st.lists(WORDS, min_size=1, max_size=8, unique=True),
    steps=st.lists(WORDS, min_size=3, max_size=12),
    done=st.integers(0, 4),
    verdicts=st.lists(VERDICTS, min_size=8, max_size=8),
    reason=WORDS,
    width=st.integers(1, 200),
    height=st.none() | st.integers(1, 20),
    signs=st.sampled_from([view.UNICODE, view.ASCII]),
)
def test_it_fits_and_no_region_is_left_out(
    *,
    names: list[str],
    steps: list[str],
    done: int,
    verdicts: list[str],
    reason: str,
    width: int,
    height: int | None,
    signs: view.Signs,
) -> None:
    board = Board("deploy", names)
    for name, verdict in zip(names, verdicts, strict=False):
        board.take_facts(name, opened() | planned(*steps) | began() | passed(done))
        board.take_facts(name, {"release_region_verdict": verdict, "release_region_reason": reason})
    lines = drawn(board, width, height, signs)
    assert all(view.cells(line) <= width for line in lines)
    assert all(line.isascii() for line in lines) or not signs.ascii_only
    assert "\n" not in "".join(lines)
    if height is None:
        assert len(lines) >= 1 + len(names)
    else:
        assert 1 <= len(lines) <= height
    if height is not None and 1 < height <= len(names) and width > 60:
        shown = len(lines) - 2
        assert shown + sum(int(word) for word in lines[-1].split() if word.isdigit()) == len(names)
