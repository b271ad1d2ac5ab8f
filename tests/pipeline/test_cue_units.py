"""Cues through the real actors, without Ray: whatever units a video is read in, each cue is in exactly one row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from caption_making import draw_captioned_video, draw_subtitled_video, letters, srt, timed
from test_read_actor import committed, failures
from test_shot_detection_actor import RECIPE, actor, cut, spans
from video_making import BLUE, GREEN, GREY, RED, draw_video, tear

from folioscope.model.load import ModelChoice, describe_replica
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.one_file import FileReader
from folioscope.pipeline.planning.units import UnitToRead
from folioscope.pipeline.run import Run
from folioscope.pipeline.stages.document_prefetch import UnderstandJob
from folioscope.pipeline.stages.file_access import FileAccess
from folioscope.pipeline.stages.prefetch import ReadJob
from folioscope.pipeline.stages.replica import ReplicaActor, ReplicaJob, read_block
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.sources import SourceFile, list_sources
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.rows import Provenance
from folioscope.pipeline.tables.shot_lists import shot_counts

SAID = [(0.4 * n, 0.4 * n + 0.7, f"line {n}") for n in range(20)]


def rows_of(video: Path, sidecar: Path, output: Path) -> dict[str, Any]:
    """A row of UNITS for all shots of a video that has been cut."""
    [counted] = shot_counts(OutputStore(str(output)), RECIPE).to_pylist()
    source = {name: value for name, value in spans(video, 1)[0].items() if name in ("uri", "etag", "size", "asset_id")}
    beside = {
        name: value for name, value in spans(sidecar, 1)[0].items() if name in ("uri", "etag", "size", "asset_id")
    }
    return source | {
        "kind": "video",
        "segment_count": counted["shot_count"],
        "recipe_id": "recipe",
        "heard": False,
        "sidecars": [beside | {"language": "en", "track": "sidecar:en.srt"}],
    }


def read_in_units(row: dict[str, Any], output: Path, per_unit: int) -> None:
    store, provenance = OutputStore(str(output)), Provenance("recipe", "run", "fake@1")
    files = FileAccess(DownloadCache(output / "download cache"), 1 << 30)
    reading = ReadJob(store, provenance, DecodeSettings(thumbnail_px=0), files, 60.0, RECIPE)
    job = ReplicaJob(store, ModelChoice("fake"), reading, UnderstandJob(provenance, 60.0))
    count = row["segment_count"]
    units = [row | {"first": n, "last": min(count, n + per_unit - 1)} for n in range(1, count + 1, per_unit)]
    reader = ReplicaActor(job)
    for unit in reversed(units):  # the last first: units come in any order
        reader(read_block([UnitToRead.of_row(unit)], 1))


def cues_of(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (row["segment"], block["track"], block["start_s"], block["text"])
        for row in rows
        for block in row["blocks"]
        if block["kind"] == "subtitle"
    ]


@pytest.mark.parametrize("per_unit", [1, 2, 9])
def test_each_cue_is_in_one_row_whatever_the_units(tmp_path: Path, per_unit: int) -> None:
    pairs = [(0x14, 0x25), (0x14, 0x70), *letters("FROM THE STUDIO"), (0x14, 0x2D), (0x14, 0x70), *letters("AND BACK")]
    captions = {30 + 5 * number: data for number, (_, data) in enumerate(timed(pairs, 0))}
    video = draw_captioned_video(tmp_path / "a.ts", [(RED, 60), (GREEN, 60), (BLUE, 60), (GREY, 60)], captions)
    sidecar = tmp_path / "a.en.srt"
    sidecar.write_text(srt(SAID))
    output = tmp_path / "out"
    cut(actor(output, 2.5), spans(video, 4))
    row = rows_of(video, sidecar, output)
    assert row["segment_count"] == 4
    read_in_units(row, output, per_unit)
    rows = committed(output, "segments")
    found = cues_of(rows)
    assert sorted(text for _, track, _, text in found if track != "cc1") == sorted(text for _, _, text in SAID)
    assert [text for _, track, _, text in found if track == "cc1"] == ["FROM THE STUDIO", "AND BACK"]
    for segment, track, start_s, _ in found:
        if track != "cc1":
            middle = start_s + 0.35
            assert segment == min(4, int(middle / 2) + 1)


def test_what_is_said_where_the_picture_breaks_off_is_told_with_the_failure(tmp_path: Path) -> None:
    whole = draw_video(tmp_path / "whole.mp4", [(RED, 40), (GREEN, 40)])
    video = tear(whole, tmp_path / "short.mp4", 0.6)
    sidecar = tmp_path / "short.en.srt"
    sidecar.write_text(srt(SAID))
    output = tmp_path / "out"
    cut(actor(output, 60.0), spans(video, 1))
    read_in_units(rows_of(video, sidecar, output), output, 9)
    [failure] = failures(output)
    read = [text for _, _, _, text in cues_of(committed(output, "segments"))]
    lost = failure["text_salvaged"].splitlines()
    assert failure["reason"] == "truncated_video"
    assert lost, "cues beyond the end of the picture"
    assert sorted([*read, *lost]) == sorted(text for _, _, text in SAID)


def test_a_plan_counts_a_sidecar_as_a_file_and_asks_nothing_of_it(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    draw_video(archive / "a.mp4", [(RED, 10)])
    (archive / "a.de.srt").write_text(srt(SAID))
    (archive / "stray.vtt").write_text("WEBVTT\n")
    config = RunConfig(
        inputs=(str(archive),), output=str(tmp_path / "out"), kinds="videos", model="fake", speech="off", limit=1
    )
    estimate = Run(config, describe_replica(config.choice)).preview()
    assert (estimate.files.new, estimate.files.skipped) == (2, 1), "the limit counts videos alone"
    assert estimate.summaries == 1
    assert not any("subtitles" in note for note in estimate.notes)


def test_a_video_read_by_itself_brings_its_subtitles(tmp_path: Path) -> None:
    video = draw_subtitled_video(tmp_path / "a.mkv", [(RED, 20), (GREEN, 20)], [(srt(SAID[:9]), "eng", "")])
    config = RunConfig(inputs=(str(video),), output=str(tmp_path / "out"), model="fake", speech="off")
    [source] = [found for found in list_sources((str(video),)) if isinstance(found, SourceFile)]
    with FileReader(config) as reader:
        document = reader.read_source(source)
    cues = [block.text for shot in document.shots for block in shot.blocks if block.kind == "subtitle"]
    assert cues == [text for _, _, text in SAID[:9]]
    assert "line 8" in document.markdown
