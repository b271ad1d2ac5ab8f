"""The sister job: its own options are checked, and those that both jobs have are the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
import typer

from jobs import extract_docs, index_videos

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--input", "x", "--output", "y", "--seconds-per-unit", "0"), "seconds_per_unit"),
        (("--input", "x", "--output", "y", "--max-frames-per-shot", "0"), "max_frames_per_shot"),
        (("--input", "x", "--output", "y", "--dpi", "144"), "--dpi"),
    ],
)
def test_bad_arguments_end_with_2(arguments: tuple[str, ...], told: str) -> None:
    command = [sys.executable, "jobs/index_videos.py", *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=180)
    assert done.returncode == 2
    assert told in done.stderr


def test_shared_options_mean_the_same_in_both_jobs() -> None:
    documents, films = (
        {option.name: option for option in typer.main.get_command(job.app).params}
        for job in (extract_docs, index_videos)
    )
    assert set(documents) - set(films) == {"pages_per_unit", "dpi", "layout", "password_file"}
    assert set(films) - set(documents) == {"seconds_per_unit", "max_frames_per_shot", "decoder", "webvtt"}
    for name in set(documents) & set(films) - {"max_file_mb"}:
        one, other = documents[name], films[name]
        assert isinstance(one, click.Option) or one.opts == other.opts
        assert (one.opts, one.default) == (other.opts, other.default)
