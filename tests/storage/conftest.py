"""An S3 server for the session, and for each test a bucket behind a proxy that can be told to misbehave."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import fsspec
import pytest
import tenacity
from fsspec.config import conf
from proxy import Script, proxy
from s3fs import S3FileSystem
from server import ENVIRONMENT, serve


@dataclass(frozen=True)
class Bucket:
    """A bucket, the URL under which a client finds it, and what will go wrong on the way."""

    name: str
    url: str
    script: Script

    @property
    def uri(self) -> str:
        return f"s3://{self.name}"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    with serve() as url:
        yield url


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """For this process alone: a client that does not try again by itself, with a short patience."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tenacity.nap.time, "sleep", lambda seconds: None)
    with proxy(s3_server) as (url, script):
        patience = {"read_timeout": 3, "connect_timeout": 3, "retries": {"max_attempts": 0}}
        monkeypatch.setitem(conf, "s3", {"endpoint_url": url, "config_kwargs": patience})
        monkeypatch.setattr(S3FileSystem, "retries", 2)
        fs = fsspec.filesystem("s3")
        name = f"b-{uuid.uuid4().hex[:12]}"
        fs.mkdir(name)
        script.requests.clear()
        yield Bucket(name, url, script)
