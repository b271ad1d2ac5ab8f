"""Damaged files through the decode child: each gives a verdict with its name in it, and the child serves on.

Some twenty seconds by default; ``FOLIOSCOPE_FUZZ=20000`` tries so many files (``make fuzz``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.mutation import KINDS, Mutation, mutate
from examples.make_archive import PASSWORD, make_archive
from folioscope.pipeline.decode.children import ChildLimits, DecodeChildren
from folioscope.pipeline.decode.pages import DecodedPage, DecodeSettings, Probe
from folioscope.pipeline.failures import Failure

EXAMPLES = int(os.environ.get("FOLIOSCOPE_FUZZ", "60"))
PAGES = 2
STEPS = st.lists(
    st.builds(
        Mutation,
        st.sampled_from(KINDS),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 4096),
        st.integers(0, 65535),
    ),
    min_size=1,
    max_size=6,
)
fuzz = partial(
    settings,
    deadline=None,
    derandomize="FOLIOSCOPE_FUZZ" not in os.environ,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    files = make_archive(tmp_path_factory.mktemp("fuzz") / "archive")
    return [path for path in files if path.stat().st_size and path.suffix != ".txt"]


@pytest.fixture(scope="module")
def children() -> Iterator[DecodeChildren]:
    pool = DecodeChildren(1, ChildLimits(memory_bytes=512 << 20, seconds_per_page=20.0), (PASSWORD,))
    yield pool
    pool.close()


def look(children: DecodeChildren, path: Path, name: str) -> Probe | Failure:
    try:
        return children.probe(path, name)
    except Failure as failure:
        return failure


@pytest.mark.timeout(24 * 3600 if "FOLIOSCOPE_FUZZ" in os.environ else 900)
@fuzz(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_damaged_file_has_a_verdict_and_harms_no_other(
    archive: list[Path], children: DecodeChildren, data: st.DataObject
) -> None:
    source = data.draw(st.sampled_from(archive), label="file")
    other = data.draw(st.sampled_from(archive), label="other")
    steps = data.draw(STEPS, label="damage")
    path = archive[0].parent / f"fuzzed{source.suffix}"
    path.write_bytes(mutate(source.read_bytes(), steps, other.read_bytes()) or b"x")
    name = "fuzzed file"
    found = look(children, path, name)
    if isinstance(found, Failure):
        assert name in found.message
    else:
        assert found.page_count >= 1
        last = min(found.page_count, PAGES)
        pages = children.decode(path, found.kind, 1, last, DecodeSettings(layout="fast"), name)
        assert [page.page_number for page in pages] == list(range(1, last + 1))
        for page in pages:
            assert isinstance(page, DecodedPage) or name in page.failure.message
    whole = archive[0]
    assert isinstance(children.decode(whole, "pdf", 1, 1, DecodeSettings(layout="fast"))[0], DecodedPage)
