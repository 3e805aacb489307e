"""An owner is given room without anything of it being touched."""

from __future__ import annotations

from typing import Any

import pytest

from hub import roomy
from hublink.link import HUB, Link
from hublink.profile import USB

MAP_SIZES = (0, 2, 4, 6, 8, 10, 12, 17, 23, 29, 37, 47, 59, 73, 97, 127, 167)  # of MicroPython's py/map.c


class Owner:
    """Counts how many names it had at once."""

    most = 0

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        Owner.most = max(Owner.most, len(self.__dict__))


@pytest.mark.parametrize("count", [*range(13, 71), len(Link(HUB, USB).__dict__), len(vars(Link))])
def test_of_the_table_at_least_a_quarter_is_empty_afterwards(count: int) -> None:
    owner = Owner()
    for number in range(count):
        setattr(owner, f"name{number}", number)
    before = dict(owner.__dict__)
    Owner.most = 0
    roomy.spread(owner)
    assert owner.__dict__ == before
    table = next(size for size in MAP_SIZES if size >= max(Owner.most, count))
    assert count / table <= 0.75


def test_too_many_names_are_left_as_they_are() -> None:
    owner = Owner()
    for number in range(160):
        setattr(owner, f"name{number}", number)
    before = dict(owner.__dict__)
    roomy.spread(owner)
    assert owner.__dict__ == before


def test_no_filler_is_a_name_of_the_link() -> None:
    assert not set(roomy._FILLERS) & (set(Link(HUB, USB).__dict__) | set(vars(Link)))
