"""Shared fixtures: documents drawn in the test, a local Ray for the session, and the corpus where there is one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pymupdf
import pytest

# Threads that wait for each other by spinning take forty times as long where processes outnumber cores: one each.
# Before anything imports torch; processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# On a machine shared with others an example may take long for no fault of its own. Chosen in pyproject.toml.
hypothesis.settings.register_profile("shared-machine", deadline=None)

TESTS = Path(__file__).resolve().parent
CORPUS = TESTS.parents[1] / "shared" / "corpus"


# Files of tests that take a minute or more, first: the last one would else run alone, on one core of two.
HEAVY = (
    "pipeline/test_faults.py",
    "pipeline/test_video_run.py",
    "pipeline/test_speech_run.py",
    "model/engine/test_torch_engine.py",
    "pipeline/test_retention.py",
    "pipeline/test_commits.py",
    "model/kimi/test_replica.py",
    "pipeline/test_canary.py",
    "pipeline/test_plan_fuzz.py",
    "jobs/test_report.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {str(TESTS / name): place for place, name in enumerate(HEAVY)}
    items.sort(key=lambda item: order.get(str(item.path), len(order)))


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real files that some checkouts have beside them; never needed, never committed."""
    if not CORPUS.is_dir():
        pytest.skip("no corpus beside this checkout")
    return CORPUS


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One Ray for all tests of this process that need one: starting it costs more than they do."""
    import ray

    ray.init(
        address="local",
        num_cpus=4,
        num_gpus=1,  # in Ray's accounting alone: actors that ask for a GPU are placed as on a machine that has one
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=200 << 20,
    )
    yield
    ray.shutdown()


PdfMaker = Callable[..., Path]


@pytest.fixture
def make_pdf() -> PdfMaker:
    """``make_pdf(path, [text of page 1, text of page 2 …])``."""

    def make(path: Path, pages: list[str], **save: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        document = pymupdf.open()
        for words in pages:
            page = document.new_page()
            if words:
                page.insert_textbox(pymupdf.Rect(60, 60, 540, 780), words, fontsize=11)
        document.save(path, no_new_id=True, **save)
        document.close()
        return path

    return make
