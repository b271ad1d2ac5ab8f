"""Shared fixtures: documents drawn in the test, a local Ray for the session, and the corpus where there is one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pymupdf
import pytest

# On a machine shared with others an example may take long for no fault of its own. Chosen in pyproject.toml.
hypothesis.settings.register_profile("shared-machine", deadline=None)

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real files that some checkouts have beside them; never needed, never committed."""
    if not CORPUS.is_dir():
        pytest.skip("no corpus beside this checkout")
    return CORPUS


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One Ray for all tests that need one: starting it costs more than they do."""
    import ray

    import pipeline.session  # sets what Ray reads at import

    assert pipeline.session.NO_PROGRESS_TIMEOUT_S > 0
    ray.init(
        address="local",
        num_cpus=4,
        num_gpus=1,  # in Ray's books alone: actors that ask for a GPU are placed as on a machine that has one
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
