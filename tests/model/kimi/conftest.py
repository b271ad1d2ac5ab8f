"""One processor of a tiny checkpoint for the tests of the replica."""

from __future__ import annotations

import pytest

from model.kimi_vl import KimiVLProcessor
from model.kimi_vl.tiny_checkpoint import write_tiny_checkpoint


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> KimiVLProcessor:
    folder = tmp_path_factory.mktemp("kimi")
    write_tiny_checkpoint(folder)
    return KimiVLProcessor.from_pretrained(folder)
