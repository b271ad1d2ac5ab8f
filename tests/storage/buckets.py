"""A bucket for a test of storage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proxy import Script


@dataclass(frozen=True)
class Bucket:
    """A bucket, the URL under which a client finds it, and what will go wrong on the way."""

    name: str
    url: str
    script: Script

    @property
    def uri(self) -> str:
        return f"s3://{self.name}"


def client_settings(url: str, seconds: int) -> dict[str, Any]:
    """For fsspec: an S3 client that waits so long for an answer, and does not try again by itself."""
    patience = {"read_timeout": seconds, "connect_timeout": seconds, "retries": {"max_attempts": 0}}
    return {"endpoint_url": url, "config_kwargs": patience}
