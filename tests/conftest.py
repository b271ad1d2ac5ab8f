"""Shared fixtures. Tests that read the corpus skip where a checkout has none beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real files that some checkouts have beside them; never needed, never committed."""
    if not CORPUS.is_dir():
        pytest.skip("no corpus beside this checkout")
    return CORPUS
