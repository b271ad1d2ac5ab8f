"""The pool of pages: nobody gets a page that another holds, and pages come in a row where there is room."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from folioscope.model.engine.pages import PagePool

PAGES = 12


def pool() -> PagePool:
    return PagePool(1, PAGES, 4, torch.float32, torch.device("cpu"))


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 5)), max_size=40))
def test_pages_are_taken_once_and_in_a_row_where_there_is_room(moves: list[tuple[bool, int]]) -> None:
    pages = pool()
    held: list[list[int]] = []
    for takes, number in moves:
        free = set(range(PAGES)) - {page for taken in held for page in taken}
        assert pages.free == len(free)
        if takes and number <= len(free):
            taken = pages.take(number)
            assert len(set(taken)) == number
            assert set(taken) <= free
            rows = [range(first, first + number) for first in range(PAGES - number + 1)]
            if any(set(row) <= free for row in rows):
                assert taken == list(range(taken[0], taken[0] + number))
            held.append(taken)
        elif held and not takes:
            pages.release(held.pop(number % len(held)))


def test_a_page_is_free_when_its_last_holder_is_gone() -> None:
    pages = pool()
    taken = pages.take(3)
    pages.hold(taken[:2])
    pages.release(taken)
    assert pages.free == PAGES - 2
    pages.release(taken[:2])
    assert pages.free == PAGES
