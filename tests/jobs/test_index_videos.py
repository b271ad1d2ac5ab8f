"""The sister job: its own options are checked, and those that both jobs have are the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from folioscope.jobs import extract_docs, index_videos

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--input", "x", "--output", "y", "--seconds-per-unit", "0"), "--seconds-per-unit"),
        (("--input", "x", "--output", "y", "--max-frames-per-shot", "0"), "--max-frames-per-shot"),
        (("--input", "x", "--output", "y", "--dpi", "144"), "--dpi"),
    ],
)
def test_bad_arguments_end_with_2(arguments: tuple[str, ...], told: str) -> None:
    command = [sys.executable, "jobs/index_videos.py", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2
    assert told in done.stderr


def test_shared_options_mean_the_same_in_both_jobs() -> None:
    documents, videos = ({option.name: option for option in job.command.params} for job in (extract_docs, index_videos))
    assert set(documents) - set(videos) == {
        "pages_per_unit",
        "dpi",
        "layout",
        "passwords",
        "reference",
        "reference_share",
        "route",
    }
    assert set(videos) - set(documents) == {
        "seconds_per_unit",
        "max_frames_per_shot",
        "video_decoder",
        "shot_detector",
        "earlier_video_decoder",
        "webvtt",
        "speech",
    }
    for name in set(documents) & set(videos):
        assert documents[name].to_info_dict() == videos[name].to_info_dict()


def test_an_earlier_name_still_works_and_its_new_one_is_told(tmp_path: Path) -> None:
    places = ["--input", str(tmp_path / "none"), "--output", str(tmp_path / "out"), "--plan-json"]
    done = CliRunner().invoke(index_videos.command, [*places, "--decoder", "decord"])
    assert done.exit_code == 3, "the input is not there"
    assert "--decoder is now --video-decoder" in done.stderr
