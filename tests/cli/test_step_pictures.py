"""The pictures of what hands do next."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from host_bridge.cli import step_pictures
from host_bridge.cli.words import Words


@pytest.mark.parametrize("steps", [step_pictures.BOOTSEL, step_pictures.SAFE_MODE])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_step_stands_above_its_board_and_all_fit_a_terminal(steps, language) -> None:
    lines = step_pictures.draw(steps, Words(language)).split("\n")
    assert max(cell_len(line) for line in lines) <= 78
    labels, boards = lines[0], lines[4]
    for label, _ in steps:
        words = label.en if language == "en" else label.zh
        column = cell_len(labels[: labels.index(words)])
        assert boards[column] == "┌", f"{words!r} does not begin where its board does"


def test_the_button_is_held_until_the_last_step_and_the_plug_is_in_at_the_end() -> None:
    for steps in (step_pictures.BOOTSEL, step_pictures.SAFE_MODE):
        held = ["◀" in "".join(art) for _, art in steps]
        assert held == [True] * (len(steps) - 1) + [False]
        assert "▐▌├" in "".join(steps[-1][1])
