"""Pages drawn again from the original files: which are sharp, how large, at what limits, and why others are not."""

from __future__ import annotations

import io
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import av
import fsspec
import numpy as np
import pytest
from drawn_rows import (
    BROKEN,
    CHANGED,
    GONE,
    HEIGHT,
    LEDGER,
    LOCKED,
    SECRET,
    SIDEWAYS,
    WIDTH,
    drawn_rows,
    listed,
    published_drawn,
    read_page,
    small_picture,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sample_rows import publish, thumbnail

from folioscope.pipeline.decode.thumbnail import webp_size
from folioscope.pipeline.report.shares import Share, even_shares
from folioscope.pipeline.report.sharp import SharpLimits
from folioscope.pipeline.report.site import Report, write_report
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.store import OutputStore

LIMITS = SharpLimits()


def write(folder: Path, limits: SharpLimits | None = LIMITS, passwords: tuple[str, ...] = ()) -> Report:
    return write_report(OutputStore(str(folder / "out")), OutputStore(str(folder / "site")), 100, limits, passwords)


def head(folder: Path, asset_id: str) -> Any:
    [path] = folder.glob(f"site/files-*/doc/{asset_id[:2]}/{asset_id}/head.js")
    return json.loads(re.fullmatch(r'folioscope\.take\("[^"]*",(.*)\);\n', path.read_text(), re.DOTALL)[1])  # type: ignore[index]


def sharp(folder: Path, asset_id: str) -> dict[int, int]:
    """The longest side of a file's sharp pictures, as its head tells it."""
    return {page["n"]: page["sharp"] for page in head(folder, asset_id)["segments"] if "sharp" in page}


def reason(folder: Path, asset_id: str, number: int = 1) -> str:
    found = head(folder, asset_id)
    [page] = [page for page in found["segments"] if page["n"] == number]
    return found["not_sharp"][page["blurred"]]


def picture(folder: Path, asset_id: str, number: int) -> Image.Image:
    [path] = folder.glob(f"site/files-*/doc/{asset_id[:2]}/{asset_id}/{number}-sharp.webp")
    return Image.open(path)


def test_pages_are_drawn_as_large_as_they_were_read(tmp_path: Path) -> None:
    published_drawn(tmp_path)
    report = write(tmp_path)
    assert sharp(tmp_path, LEDGER) == {1: HEIGHT, 2: HEIGHT, 3: HEIGHT}, "the fourth was kept at that size"
    with picture(tmp_path, LEDGER, 1) as drawn:
        assert (abs(drawn.width - WIDTH) <= 1, drawn.height) == (True, HEIGHT)
        assert drawn.convert("L").getextrema()[0] < 100, "the fine print is there"
    assert sharp(tmp_path, SIDEWAYS) == {1: 800}
    with picture(tmp_path, SIDEWAYS, 1) as drawn:
        assert drawn.size == (400, 800), "turned as the reading found it to be"
    assert report.sharp.drawn == 4
    assert report.sharp.bytes > 4000


def test_files_that_cannot_be_drawn_keep_the_small_picture_and_say_why(tmp_path: Path) -> None:
    published_drawn(tmp_path)
    report = write(tmp_path)
    assert "changed since it was read" in reason(tmp_path, CHANGED)
    assert "no longer where it was read" in reason(tmp_path, GONE)
    assert "--password-file" in reason(tmp_path, LOCKED)
    assert "could not be drawn (decode error)" in reason(tmp_path, BROKEN)
    assert not any(sharp(tmp_path, asset_id) for asset_id in (CHANGED, GONE, LOCKED, BROKEN))
    assert sum(report.sharp.kept.values()) == 4
    assert len(list(tmp_path.glob(f"site/files-*/doc/{CHANGED[:2]}/{CHANGED}/1.webp"))) == 1


def test_a_locked_file_is_drawn_with_its_password(tmp_path: Path) -> None:
    published_drawn(tmp_path)
    write(tmp_path, passwords=("not this", SECRET))
    assert sharp(tmp_path, LOCKED) == {1: HEIGHT}


def test_a_copy_stands_in_for_a_file_that_is_gone(tmp_path: Path) -> None:
    rows = drawn_rows(tmp_path / "in")
    [ledger] = [row for row in rows["assets"] if row["asset_id"] == LEDGER]
    rows["assets"].append({**ledger, "uri": str(tmp_path / "a copy that is gone.pdf")})
    (tmp_path / "out").mkdir()
    publish(tmp_path / "out", rows)
    write(tmp_path)
    assert len(sharp(tmp_path, LEDGER)) == 3


def test_limits_share_pages_out_and_are_told(tmp_path: Path) -> None:
    published_drawn(tmp_path)
    report = write(tmp_path, SharpLimits(pages=6))
    assert sharp(tmp_path, LEDGER) == {3: HEIGHT}, "each file has one, this one the page that its summary rests on"
    assert "draws 6 pages and shots sharp" in reason(tmp_path, LEDGER, 1)
    assert report.sharp.drawn == 2
    write(tmp_path, SharpLimits(seconds_a_page=-1))
    assert "minutes go into this report's pages" in reason(tmp_path, LEDGER)
    write(tmp_path, SharpLimits(bytes_a_page=-1))
    assert "MiB of this report are sharp pages" in reason(tmp_path, LEDGER)
    write(tmp_path, None)
    assert not list(tmp_path.rglob("*-sharp.webp"))
    assert head(tmp_path, LEDGER)["not_sharp"] == []


def test_remote_files_are_fetched_within_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    monkeypatch.setattr("folioscope.pipeline.report.site.DownloadCache", partial(DownloadCache, tmp_path / "cache"))
    rows = drawn_rows(tmp_path / "in")
    content = (tmp_path / "in" / "ledger.pdf").read_bytes()
    with fsspec.open("memory://archive/ledger.pdf", "wb") as target:
        target.write(content)
    asset_id = hashlib.sha256(content).hexdigest()
    [ledger] = [row for row in rows["assets"] if row["asset_id"] == LEDGER]
    rows["assets"] = [{**ledger, "uri": "memory://archive/ledger.pdf", "asset_id": asset_id, "etag": "seen"}]
    for table in ("segments", "thumbnails"):
        rows[table] = [{**row, "asset_id": asset_id} for row in rows[table] if row["asset_id"] == LEDGER]
    (tmp_path / "out").mkdir()
    publish(tmp_path / "out", rows)
    write(tmp_path, SharpLimits(fetched_bytes=len(content) - 1))
    assert "are fetched for a report" in reason(tmp_path, asset_id)
    write(tmp_path)
    assert len(sharp(tmp_path, asset_id)) == 3


def test_a_shot_shows_its_first_frame_as_large_as_it_was_read(tmp_path: Path) -> None:
    film = tmp_path / "film.mkv"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("ffv1", rate=10, options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for shade in range(0, 200, 10):
            frame = av.VideoFrame.from_ndarray(np.full((180, 320, 3), shade, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    shot = {"kind": "shot", "page_number": None, "start_s": 0.0, "end_s": 2.0, "frame_times": [1.5, 0.5]}
    rows = {
        "assets": [listed(film, LEDGER, kind="video", page_count=None)],
        "segments": [read_page(LEDGER, 1, width_px=320, height_px=180, **shot)],
        "thumbnails": [thumbnail(LEDGER, 1, small_picture())],
    }
    (tmp_path / "out").mkdir()
    publish(tmp_path / "out", rows)
    write(tmp_path)
    assert sharp(tmp_path, LEDGER) == {1: 320}
    with picture(tmp_path, LEDGER, 1) as drawn:
        assert drawn.size == (320, 180)
        assert abs(int(np.asarray(drawn.convert("L")).mean()) - 150) < 12, "the frame that was read first"


@given(st.lists(st.integers(0, 60), max_size=30), st.integers(0, 500))
def test_shares_are_as_even_as_can_be(counts: list[int], most: int) -> None:
    shares = even_shares(counts, most)
    assert all(0 <= share <= count for share, count in zip(shares, counts, strict=True))
    assert sum(shares) == min(most, sum(counts))
    least = min((share for share, count in zip(shares, counts, strict=True) if share < count), default=None)
    if least is not None:
        assert max(shares) <= least + 1


def test_evidence_comes_before_the_first_pages() -> None:
    def taken(most: int, wanted: list[int]) -> list[int]:
        share = Share(most, wanted)
        return [number for number in range(1, 9) if share.takes(number)]

    assert taken(3, [7, 7]) == [1, 2, 7]
    assert taken(1, [7, 8]) == [7]
    assert taken(0, [7]) == []


@pytest.mark.parametrize(
    ("mode", "options"), [("RGB", {}), ("RGB", {"lossless": True}), ("RGBA", {}), ("RGBA", {"exif": b"Exif\0\0"})]
)
def test_a_pictures_size_is_read_from_its_first_bytes(mode: str, options: dict[str, Any]) -> None:
    data = io.BytesIO()
    Image.new(mode, (321, 123)).save(data, "WEBP", **options)
    assert webp_size(data.getvalue()) == (321, 123)
    assert webp_size(b"RIFF") == (0, 0)
