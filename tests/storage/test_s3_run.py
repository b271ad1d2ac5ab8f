"""Whole runs from a bucket to a bucket: the same rows through a bad network as through a good one, and no secret told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest
from buckets import Bucket
from proxy import Fault
from server import ENVIRONMENT, KEY_ID, SECRET

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest

PROJECT = Path(__file__).resolve().parents[2]
VARYING = {"run_id", "created_at", "seconds", "input_tokens", "output_tokens", "first_seen_at", "modified_at", "etag"}
PASSWORD = "the-owners-password"


@pytest.fixture
def ray_folder() -> Iterator[Path]:
    """Where Ray puts its logs; its sockets need a short path."""
    folder = Path(tempfile.mkdtemp(prefix="fs-"))
    yield folder
    shutil.rmtree(folder)


def job(bucket: Bucket, output: str, ray_folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment |= {**ENVIRONMENT, "AWS_ENDPOINT_URL": bucket.url, "RAY_TMPDIR": str(ray_folder)}
    command = [
        *(sys.executable, "jobs/extract_docs.py", "--input", f"{bucket.uri}/in", "--output", f"{bucket.uri}/{output}"),
        *(
            "--model",
            "fake",
            "--layout",
            "fast",
            "--pages-per-unit",
            "2",
            "--replicas",
            "1",
            "--tasks",
            "read,summarize",
        ),
        *more,
    ]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=600)


def rows(output: str) -> dict[str, list[Any]]:
    store = OutputStore(output)
    found = {}
    for table, files in load_manifest(store).tables.items():
        if table == "runs":
            continue
        tables = [pq.read_table(store.filesystem.open(store.full(file.path), "rb")) for file in files]
        kept = [{k: v for k, v in row.items() if k not in VARYING} for data in tables for row in data.to_pylist()]
        found[table] = sorted(kept, key=repr)
    return found


@pytest.mark.slow
@pytest.mark.guarantee(
    fault="object store fails",
    moment="identify, read, understand, publish",
    outcome="waited for, with back-off and jitter, counted; the rows are those of a run on a good network",
)
def test_a_bad_network_changes_no_row_and_no_secret_is_told(
    bucket: Bucket, tmp_path: Path, make_pdf: Any, ray_folder: Path
) -> None:
    fs = fsspec.filesystem("s3")
    for number in range(4):
        path = make_pdf(tmp_path / f"{number}.pdf", [f"File {number}, page {page}." for page in range(1, 6)])
        fs.put_file(str(path), f"{bucket.name}/in/{number}.pdf")
    locked = make_pdf(tmp_path / "locked.pdf", ["secret"], encryption=5, user_pw=PASSWORD, owner_pw=PASSWORD)
    fs.put_file(str(locked), f"{bucket.name}/in/locked.pdf")
    fs.pipe_file(f"{bucket.name}/in/truncated.pdf", b"%PDF-1.7 truncated")
    passwords = tmp_path / "passwords.txt"
    passwords.write_text(f"{PASSWORD}\n")
    options = ("--password-file", str(passwords), "--max-failures", "1")

    calm = job(bucket, "calm", ray_folder, *options)
    assert calm.returncode == 0, calm.stderr[-3000:]
    bucket.script.faults += [
        Fault("GET /b-.*/in/", "drop", times=4),
        Fault("GET /b-.*/in/2", "cut", times=2),
        Fault("PUT /b-.*/stormy/_work", "refuse", times=12),
        Fault("PUT /b-.*/stormy/", "refuse", times=6, status=500, code="InternalError"),
        Fault("list-type", "refuse", times=3, status=503, code="ServiceUnavailable"),
        Fault("list-type", "page", size=3),
    ]
    stormy = job(bucket, "stormy", ray_folder, *options)
    assert stormy.returncode == 0, stormy.stderr[-3000:]
    assert [fault.times for fault in bucket.script.faults if fault.kind != "page"] == [0] * 5, "every fault happened"
    bucket.script.faults.clear()
    expected = rows(f"{bucket.uri}/calm")
    assert len(expected["segments"]) == 4 * 5 + 1
    assert rows(f"{bucket.uri}/stormy") == expected

    told = {"out": calm.stdout + stormy.stdout, "err": calm.stderr + stormy.stderr}
    told |= {str(log): log.read_text(errors="replace") for log in ray_folder.rglob("logs/**/*") if log.is_file()}
    told |= {
        name: data.decode("latin-1")
        for output in ("calm", "stormy")
        for name, data in fs.cat(fs.find(f"{bucket.name}/{output}")).items()
    }
    assert len(told) > 10
    for secret in (SECRET, KEY_ID, PASSWORD):
        assert [name for name, words in told.items() if secret in words] == []


@pytest.mark.guarantee(
    fault="object store fails",
    moment="identify",
    outcome="refused credentials end the run with exit 1 and what to do; no file is condemned",
)
def test_credentials_that_expire_end_the_run_with_what_to_do(bucket: Bucket, ray_folder: Path) -> None:
    bucket.script.faults.append(Fault("/", "refuse", status=400, code="ExpiredToken"))
    done = job(bucket, "out", ray_folder)
    assert done.returncode == 1
    assert "ExpiredToken" in done.stderr
    assert "renew the credentials" in done.stderr
    assert "Traceback" not in done.stderr
