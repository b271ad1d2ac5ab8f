#!/usr/bin/env python3
"""Read an archive of documents into Parquet: pages as Markdown, summaries, answers with evidence.

python jobs/extract_docs.py --input ARCHIVE --output TABLES
ray job submit --working-dir . -- python jobs/extract_docs.py --input s3://archive --output s3://tables

``folioscope read`` does the same for documents and videos in one run.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __package__ in (None, ""):  # started as a file: the project's packages lie beside this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.jobs.read import job_command

command = job_command(
    "extract_docs",
    "documents",
    "Read documents into Parquet tables; run it again to carry on or to take in what is new.",
)

if __name__ == "__main__":
    command()
