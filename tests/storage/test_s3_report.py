"""A report written to a bucket from a bucket: a browser is told what each file is."""

from __future__ import annotations

from pathlib import Path

from buckets import Bucket
from sample_rows import asset, page, publish, thumbnail

from folioscope.pipeline.report.pieces import CONTENT_TYPES
from folioscope.pipeline.report.site import write_report
from folioscope.pipeline.storage.store import OutputStore


def test_a_bucket_serves_the_report_as_web_pages(bucket: Bucket, tmp_path: Path) -> None:
    rows = {"assets": [asset("a.pdf", "a" * 64)], "segments": [page("a" * 64, 1)]}
    rows |= {"thumbnails": [thumbnail("a" * 64, 1, b"RIFF")]}
    published = publish(tmp_path, rows)
    output, site = OutputStore(f"{bucket.uri}/out"), OutputStore(f"{bucket.uri}/site")
    for path in published.rglob("*.*"):
        output.write(str(path.relative_to(published)), path.read_bytes())
    write_report(output, site, 10)
    again = write_report(output, site, 10)
    assert again.shown == 1
    names = site.names("")
    assert len({name.split("/")[0] for name in names}) == 2, "the older report is gone"
    types = {name.rpartition(".")[2]: content_type(site, name) for name in names}
    assert types == CONTENT_TYPES


def content_type(store: OutputStore, name: str) -> str:
    return str(store.filesystem.info(store.full(name), refresh=True)["ContentType"])
