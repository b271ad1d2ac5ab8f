"""Listing a bucket: seconds and memory for many keys, and how many requests it took.

    python benchmarks/listing.py [--keys 100000]

Starts an S3 server in its own process with that many objects and lists them as a run does, through a proxy that counts
the requests. The server is moto, which sorts all keys for each page: most of the seconds are its own, and a real store
is faster. Peak memory is this process's, less what it was before.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

from fsspec.config import conf

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.sources import SourceFile, list_sources
from tests.storage.proxy import proxy
from tests.storage.server import ENVIRONMENT, serve


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=100_000)
    keys = parser.parse_args().keys
    os.environ.update(ENVIRONMENT)
    with serve(keys) as server, proxy(server) as (url, script):
        conf["s3"] = {"endpoint_url": url}
        list(list_sources(["s3://many/archive/0000"]))  # the client, loaded
        script.requests.clear()
        before, begun = peak_mb(), time.perf_counter()
        found = sum(isinstance(item, SourceFile) for item in list_sources(["s3://many/archive"]))
        seconds = time.perf_counter() - begun
        pages = len(script.seen("list-type"))
    if found != keys:
        raise SystemExit(f"{found} of {keys} keys were listed")
    print(f"{keys:,} keys in {seconds:.1f} s by {pages} requests, {peak_mb() - before:.0f} MB")
    print(
        json.dumps(
            {"keys": keys, "seconds": round(seconds, 1), "requests": pages, "peak_mb": round(peak_mb() - before)}
        )
    )


if __name__ == "__main__":
    main()
