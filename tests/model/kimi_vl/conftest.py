"""One small checkpoint for all tests of Kimi-VL's input side."""

from __future__ import annotations

from pathlib import Path

import pytest

from folioscope.model.kimi_vl.tiny_checkpoint import write_tiny_checkpoint


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with 512 ordinary entries: special ids begin at 512."""
    folder = tmp_path_factory.mktemp("kimi")
    write_tiny_checkpoint(folder)
    return folder
