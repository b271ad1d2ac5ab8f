"""The plan takes in exactly the pages that are missing, whatever was done before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from folioscope.pipeline.planning.files import page_ranges
from folioscope.pipeline.planning.units import block_budget, into_blocks


@given(
    page_count=st.integers(0, 200),
    settled=st.sets(st.integers(1, 220), max_size=80),
    pages_per_unit=st.integers(1, 40),
)
def test_ranges_hold_each_open_page_once_and_no_other(page_count: int, settled: set[int], pages_per_unit: int) -> None:
    ranges = list(page_ranges(page_count, settled, pages_per_unit))
    pages = [page for first, last in ranges for page in range(first, last + 1)]
    assert pages == [page for page in range(1, page_count + 1) if page not in settled]
    assert all(last - first < pages_per_unit for first, last in ranges)


@given(sizes=st.lists(st.integers(1, 8), max_size=120), budget=st.integers(1, 64))
def test_blocks_hold_each_unit_once_in_order(sizes: list[int], budget: int) -> None:
    blocks = list(into_blocks(sizes, budget, lambda size: size))
    assert [size for block in blocks for size in block] == sizes
    assert all(len(block) == 1 or sum(block) <= budget for block in blocks)


def test_every_replica_has_work_where_there_is_enough() -> None:
    assert 64 / block_budget(64, replicas=4, per_block=64) >= 32
    assert block_budget(10**6, replicas=4, per_block=64) == 64
