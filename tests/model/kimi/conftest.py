"""A tiny checkpoint and its processor, for the tests of the replica."""

from __future__ import annotations

from pathlib import Path

import pytest

from folioscope.model.kimi_vl import KimiVLProcessor
from folioscope.model.kimi_vl.tiny_checkpoint import write_tiny_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kimi")
    write_tiny_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def processor(checkpoint: Path) -> KimiVLProcessor:
    return KimiVLProcessor.from_pretrained(checkpoint)
