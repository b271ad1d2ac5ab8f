"""An S3 server for the session, and for each test a bucket behind a proxy that can be told to misbehave."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import fsspec
import pytest
import tenacity
from buckets import Bucket, client_settings
from fsspec.config import conf
from proxy import proxy
from s3fs import S3FileSystem
from server import ENVIRONMENT, serve


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    with serve() as url:
        yield url


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """For this process alone: a client that does not try again by itself, and waits as long as a busy machine takes."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda seconds: None)
    with proxy(s3_server) as (url, script):
        monkeypatch.setitem(conf, "s3", client_settings(url, seconds=300))
        monkeypatch.setattr(S3FileSystem, "retries", 2)
        fs = fsspec.filesystem("s3")
        name = f"b-{uuid.uuid4().hex[:12]}"
        fs.mkdir(name)
        script.requests.clear()
        yield Bucket(name, url, script)
