"""Listing a bucket: seconds and memory for many keys, and how many requests it took.

    python benchmarks/listing.py [--keys 100000]

A server in its own process answers S3's ListObjectsV2 with a thousand keys a page, made up as they are asked for (an S3
server for tests would hold four gigabytes for as many). So the figures are our side's: the client, its parser and what
a run makes of the keys. Peak memory is this process's, less what it was before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from fsspec.config import conf

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.sources import SourceFile, list_sources

PAGE = 1000
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}
OBJECT = (
    "<Contents><Key>archive/{folder:04d}/{number:07d}.pdf</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    "<ETag>&quot;{number:032x}&quot;</ETag><Size>{number}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


class _Bucket(BaseHTTPRequestHandler):
    """``archive/`` with as many keys as the server was told."""

    protocol_version = "HTTP/1.1"
    keys = 0

    def do_HEAD(self) -> None:
        self._answer(404, b"")

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        keys = self.keys if query.get("prefix", [""])[0].startswith("archive") else 0
        first = int(query.get("continuation-token", ["0"])[0])
        last = min(keys, first + int(query.get("max-keys", [str(PAGE)])[0]))
        objects = "".join(OBJECT.format(folder=number // PAGE, number=number) for number in range(first, last))
        more = last < keys
        token = f"<NextContinuationToken>{last}</NextContinuationToken>" if more else ""
        body = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{objects}</ListBucketResult>"
        self._answer(200, body.encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(keys: int, url: str) -> dict[str, float]:
    conf["s3"] = {"endpoint_url": url}
    os.environ.update(CREDENTIALS)
    list(list_sources(["s3://many/nothing"]))  # the client, loaded
    before, begun = peak_mb(), time.perf_counter()
    found = sum(isinstance(item, SourceFile) for item in list_sources(["s3://many/archive"]))
    if found != keys:
        raise SystemExit(f"{found} of {keys} keys were listed")
    seconds = time.perf_counter() - begun
    return {"keys": keys, "seconds": round(seconds, 1), "cpu_seconds": _cpu(), "peak_mb": round(peak_mb() - before)}


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return round(usage.ru_utime + usage.ru_stime, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--serve", type=int, help="the port, in the server's own process")
    arguments = parser.parse_args()
    _Bucket.keys = arguments.keys
    if arguments.serve is not None:
        HTTPServer(("127.0.0.1", arguments.serve), _Bucket).serve_forever()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, __file__, "--keys", str(arguments.keys), "--serve", str(port)])
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        result = measure(arguments.keys, f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.wait()
    print(f"{result['keys']:,} keys in {result['seconds']} s ({result['cpu_seconds']} of CPU), {result['peak_mb']} MB")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
