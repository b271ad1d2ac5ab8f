"""Listing a bucket to disk: seconds, memory and requests for many keys, and what an inventory of them costs instead.

    python benchmarks/listing.py [--keys 50000 200000] [--ms 20]

A server in its own process answers S3's ListObjectsV2 with a thousand keys a page, ``--ms`` late, made up as they are
asked for (an S3 server for tests would hold four gigabytes for as many); keys lie a thousand to a folder. So these
figures are our side's: the client, its parser, and Parquet on disk. Each size runs in a process of its own; peak memory
is that process's, less what it was before. The ratio compares the wall time with waiting for each answer in turn.
The same keys are then read from an S3 Inventory in Parquet.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.config import conf

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from folioscope.pipeline.storage.listing import ListedFiles, list_to_disk

PAGE = 1000
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}
OBJECT = (
    "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    "<ETag>&quot;{number:032x}&quot;</ETag><Size>{number}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)
FOLDER = "<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>"


def key_of(number: int) -> str:
    return f"archive/{number // PAGE:06d}/{number:09d}.pdf"


class _Bucket(BaseHTTPRequestHandler):
    """``archive/`` with as many keys as the server was told, in order of name and of number."""

    protocol_version = "HTTP/1.1"
    keys = 0
    seconds = 0.0
    requests = 0

    def do_HEAD(self) -> None:
        self._answer(404, b"")

    def do_GET(self) -> None:
        if self.path == "/requests":
            self._answer(200, str(_Bucket.requests).encode())
            _Bucket.requests = 0
            return
        _Bucket.requests += 1
        time.sleep(self.seconds)
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        prefix = query.get("prefix", "")
        if not prefix.startswith("archive/"):
            self._answer(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
        elif "delimiter" in query and prefix == "archive/":
            self._folders(query)
        else:
            self._objects(query, prefix)

    def _folders(self, query: dict[str, str]) -> None:
        count = -(-self.keys // PAGE)
        first = int(query.get("continuation-token", "0"))
        last = min(count, first + PAGE)
        names = "".join(FOLDER.format(prefix=f"archive/{number:06d}/") for number in range(first, last))
        self._page(names, last, count)

    def _objects(self, query: dict[str, str], prefix: str) -> None:
        begin, end = 0, self.keys
        if len(prefix) > len("archive/"):  # one folder
            begin = int(prefix.split("/")[1]) * PAGE
            end = min(self.keys, begin + PAGE)
        if after := query.get("start-after"):
            begin = max(begin, int(after.split("/")[1]) * PAGE)
        begin = int(query.get("continuation-token", begin))
        last = min(end, begin + PAGE)
        self._page("".join(OBJECT.format(key=key_of(n), number=n) for n in range(begin, last)), last, end)

    def _page(self, content: str, last: int, end: int) -> None:
        more = last < end
        token = f"<NextContinuationToken>{last}</NextContinuationToken>" if more else ""
        body = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{content}</ListBucketResult>"
        self._answer(200, body.encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def write_inventory(folder: Path, keys: int) -> str:
    """An S3 Inventory of the same keys on a disk; returns its manifest."""
    schema = pa.schema([("bucket", pa.string()), ("key", pa.string()), ("size", pa.int64()), ("e_tag", pa.string())])
    (folder / "data").mkdir()
    with pq.ParquetWriter(folder / "data" / "1.parquet", schema) as writer:
        for begin in range(0, keys, 100_000):
            numbers = range(begin, min(keys, begin + 100_000))
            columns = {
                "bucket": ["many"] * len(numbers),
                "key": [key_of(n) for n in numbers],
                "size": list(numbers),
                "e_tag": [f"{n:032x}" for n in numbers],
            }
            writer.write_table(pa.table(columns, schema=schema))
    (folder / "2026-01-01T01-00Z").mkdir()
    manifest = folder / "2026-01-01T01-00Z" / "manifest.json"
    described = {"fileFormat": "Parquet", "fileSchema": "", "destinationBucket": "arn:aws:s3:::x"}
    manifest.write_text(json.dumps({**described, "files": [{"key": "data/1.parquet"}]}))
    return str(manifest)


def measure(given: str) -> dict[str, float]:
    """List an input in this process."""
    with tempfile.TemporaryDirectory() as scratch:
        warm = Path(scratch, "warm")
        warm.mkdir()
        list_to_disk([scratch], str(Path(scratch, "out")), warm, ("pdf",))
        if given.startswith("s3://"):
            list_to_disk(["s3://many/nothing"], str(Path(scratch, "out")), warm, ("pdf",))
        before, begun, cpu = _peak_mb(), time.perf_counter(), _cpu()
        found: ListedFiles = list_to_disk([given], str(Path(scratch, "out")), Path(scratch), ("pdf",))
        seconds = time.perf_counter() - begun
        return {
            "files": found.facts.readable,
            "seconds": seconds,
            "cpu_seconds": _cpu() - cpu,
            "peak_mb": _peak_mb() - before,
            "disk_bytes": found.path.stat().st_size,
        }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def in_its_own_process(given: str, url: str) -> dict[str, float]:
    told = subprocess.run(
        [sys.executable, __file__, "--list", given, "--url", url], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    found: dict[str, float] = json.loads(told)
    return found


def bucket_and_inventory(keys: int, ms: float) -> dict[str, float]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, __file__, "--keys", str(keys), "--ms", str(ms), "--serve", str(port)]
    server = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        bucket = in_its_own_process("s3://many/archive", url)
        with urlopen(f"{url}/requests") as answer:
            requests = int(answer.read())
    finally:
        server.kill()
        server.wait()
    with tempfile.TemporaryDirectory() as folder:
        inventory = in_its_own_process(write_inventory(Path(folder), keys), url)
    for found in (bucket, inventory):
        if found["files"] != keys:
            raise SystemExit(f"{found['files']} of {keys} keys were listed")
    one_by_one = -(-keys // PAGE) * ms / 1000
    print(
        f"{keys:>9,} keys: {bucket['seconds']:.1f} s ({bucket['cpu_seconds']:.1f} of CPU; waiting for one answer after "
        f"the other alone {one_by_one:.1f}), {requests} requests, {bucket['peak_mb']:.0f} MB, "
        f"{bucket['disk_bytes'] / keys:.0f} bytes a key on disk; from an inventory {inventory['seconds']:.1f} s, "
        f"{inventory['peak_mb']:.0f} MB"
    )
    return {
        "seconds": round(bucket["seconds"], 1),
        "cpu_us_a_key": round(1e6 * bucket["cpu_seconds"] / keys, 1),
        "of_one_by_one": round(bucket["seconds"] / one_by_one, 2) if one_by_one else 0.0,
        "requests": requests,
        "peak_mb": round(bucket["peak_mb"]),
        "inventory_cpu_us_a_key": round(1e6 * inventory["cpu_seconds"] / keys, 1),
        "inventory_peak_mb": round(inventory["peak_mb"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, nargs="+", default=[50_000, 200_000])
    parser.add_argument("--ms", type=float, default=20.0, help="how late the server answers")
    parser.add_argument("--serve", type=int, help="the port, in the server's own process")
    parser.add_argument("--list", help="the input, in a process of its own")
    parser.add_argument("--url", help="of the server")
    arguments = parser.parse_args()
    if arguments.serve is not None:
        _Bucket.keys, _Bucket.seconds = arguments.keys[0], arguments.ms / 1000
        ThreadingHTTPServer(("127.0.0.1", arguments.serve), _Bucket).serve_forever()
    if arguments.list:
        conf["s3"] = {"endpoint_url": arguments.url}
        os.environ.update(CREDENTIALS)
        print(json.dumps(measure(arguments.list)))
        return
    figures: dict[str, float] = {}
    for keys in arguments.keys:
        found = bucket_and_inventory(keys, arguments.ms)
        figures |= {f"listing_{name}_{keys // 1000}k": value for name, value in found.items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
