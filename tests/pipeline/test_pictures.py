"""Pages looked at again: upright as they were read, and a changed file is a failure, not another answer."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
import pytest

from folioscope.model.protocol import PageText
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.planning.documents import DocumentTasks
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.stages.pictures import PictureAccess, Pictures
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.sources import list_sources

SETTINGS = DecodeSettings(layout="fast", render="always", dpi=72)


def document_of(path: Path) -> DocumentTasks:
    [source] = [item for item in list_sources((str(path),)) if hasattr(item, "uri")]
    asset = hashlib.sha256(path.read_bytes()).hexdigest()
    return DocumentTasks(
        asset, source.uri, source.etag, source.size, "pdf", None, 0.0, (), "read", "recipe", (), False, ()
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return Pictures(PictureAccess(SETTINGS, FileAccess(DownloadCache(tmp_path / "download cache"), 1 << 30)))


def pages(rotation: int = 0) -> list[PageText]:
    return [PageText(1, "x", rotation=rotation), PageText(2, "x")]


def test_a_page_is_shown_turned_as_it_was_read(tmp_path: Path, make_pdf: Any, pictures: Pictures) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one", "two"])
    with pictures.of_document(document_of(path), pages()) as shown:
        upright, second = shown(1), shown(2)
    assert upright.shape == (842, 595, 3)
    assert not np.array_equal(upright, second)
    with pictures.of_document(document_of(path), pages(rotation=90)) as shown:
        assert np.array_equal(shown(1), np.rot90(upright, k=-1))


def test_a_rotation_of_the_file_is_not_applied_twice(tmp_path: Path, make_pdf: Any, pictures: Pictures) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one", "two"])
    with pymupdf.open(path) as document:
        document[0].set_rotation(90)
        document.save(tmp_path / "b.pdf")
    with pictures.of_document(document_of(tmp_path / "b.pdf"), pages(rotation=90)) as shown:
        assert shown(1).shape == (595, 842, 3)


def test_a_file_that_changed_is_a_failure(tmp_path: Path, make_pdf: Any, pictures: Pictures) -> None:
    path = make_pdf(tmp_path / "a.pdf", ["one", "two"])
    document = document_of(path)
    path.write_bytes(path.read_bytes() + b"\n% more")
    os.utime(path, (1, 1))
    with pytest.raises(Failure) as failure, pictures.of_document(document, pages()):
        pass
    assert failure.value.reason is Reason.CHANGED_DURING_RUN
