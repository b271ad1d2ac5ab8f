#!/usr/bin/env python3
"""Index an archive of videos into Parquet: shots with their on-screen text, summaries, chapters, answers with times.

python jobs/index_videos.py --input ARCHIVE --output TABLES
ray job submit --working-dir . -- python jobs/index_videos.py --input s3://archive --output s3://tables

The sister of extract_docs.py: the same tables, and one output may hold what both read. ``folioscope read`` does both in
one run.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.jobs.read import job_command

command = job_command(
    "index_videos",
    "videos",
    "Index videos into Parquet tables; run it again to carry on or to take in what is new.",
)

if __name__ == "__main__":
    command()
