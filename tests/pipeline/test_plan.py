"""The plan takes in exactly the pages that are missing, whatever was done before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.plan import into_blocks, page_ranges


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


@given(sizes=st.lists(st.integers(1, 8), max_size=120), replicas=st.integers(1, 6), budget=st.integers(1, 64))
def test_blocks_hold_each_unit_once_in_order(sizes: list[int], replicas: int, budget: int) -> None:
    units = [
        {"uri": f"u{n}", "etag": "e", "size": 1, "asset_id": f"{n:064d}", "kind": "pdf"}
        | {"segment_count": 9, "first": 1, "last": size}
        for n, size in enumerate(sizes)
    ]
    blocks = into_blocks(iter(units), replicas, budget)
    assert [row for block in blocks for row in block.to_pylist()] == units
    for block in blocks:
        pages = sum(row["last"] for row in block.to_pylist())
        assert block.num_rows == 1 or pages <= budget


def test_every_replica_has_work_where_there_is_enough() -> None:
    units = [
        {"uri": "u", "etag": "e", "size": 1, "asset_id": "a", "kind": "pdf", "first": n, "last": n} for n in range(64)
    ]
    assert len(into_blocks(units, replicas=4, per_block=64)) >= 32
