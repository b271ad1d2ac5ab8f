"""Inventories and other tables of files stand for a listing of the bucket, and cost no request a thousand keys."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote_plus

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from buckets import Bucket

from folioscope.pipeline.failures import Reason
from folioscope.pipeline.storage.sources import FailedInput, SourceFile, coverage, list_sources

KEYS = ["in/a.pdf", "in/b c+d.pdf", "in/ü.png", "in/sub/", "in/.hidden.pdf"]
TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"


def csv_data(bucket: str) -> bytes:
    rows = [
        f'"{bucket}","{quote_plus(key, safe="/")}","v","true","false","7","2026-01-02T03:04:05.000Z","e{number}"'
        for number, key in enumerate(KEYS)
    ]
    rows.append(f'"{bucket}","in/old.pdf","v","false","false","7","2026-01-02T03:04:05.000Z","x"')
    rows.append(f'"{bucket}","in/gone.pdf","v","true","true","","2026-01-02T03:04:05.000Z",""')
    return gzip.compress("\n".join(rows).encode())


def parquet_data(bucket: str) -> bytes:
    keys = [*KEYS, "in/old.pdf", "in/gone.pdf"]
    table = pa.table(
        {
            "bucket": [bucket] * len(keys),
            "key": keys,
            "is_latest": [True] * len(KEYS) + [False, True],
            "is_delete_marker": [False] * len(KEYS) + [False, True],
            "size": pa.array([7] * len(KEYS) + [7, None], pa.int64()),
            "last_modified_date": pa.array([TIME] * len(keys), pa.timestamp("ms")),
            "e_tag": [f"e{number}" for number in range(len(KEYS))] + ["x", None],
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def manifest(bucket: str, kind: str, keys: list[str]) -> bytes:
    schema = SCHEMA if kind == "CSV" else "message s3.inventory { required binary bucket (UTF8); }"
    return json.dumps(
        {
            "sourceBucket": bucket,
            "destinationBucket": f"arn:aws:s3:::{bucket}",
            "version": "2016-11-30",
            "creationTimestamp": "1514944800000",
            "fileFormat": kind,
            "fileSchema": schema,
            "files": [{"key": key, "size": 1, "MD5checksum": "0"} for key in keys],
        }
    ).encode()


def expected(bucket: str) -> list[SourceFile]:
    return [SourceFile(f"s3://{bucket}/{key}", 7, f"e{number}", TIME) for number, key in enumerate(KEYS[:3])]


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_an_inventory_in_a_bucket_gives_what_is_there_now(bucket: Bucket, kind: str) -> None:
    fs = fsspec.filesystem("s3")
    root = f"inv/{bucket.name}/daily"
    ending = "csv.gz" if kind == "CSV" else "parquet"
    data = csv_data(bucket.name) if kind == "CSV" else parquet_data(bucket.name)
    fs.pipe_file(f"{bucket.name}/{root}/data/1.{ending}", data)
    for day, files in (("2026-01-01T01-00Z", ["missing"]), ("2026-01-02T01-00Z", [f"{root}/data/1.{ending}"])):
        fs.pipe_file(f"{bucket.name}/{root}/{day}/manifest.json", manifest(bucket.name, kind, files))
    newest = f"{bucket.uri}/{root}/2026-01-02T01-00Z/manifest.json"
    assert list(list_sources([newest])) == expected(bucket.name)
    assert list(list_sources([f"inventory:{bucket.uri}/{root}"])) == expected(bucket.name), "the newest is taken"
    assert not coverage([newest]).covers(f"{bucket.uri}/in/a.pdf"), (
        "an inventory is a day old: nothing is deleted by it"
    )


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_an_inventory_may_lie_on_a_disk(tmp_path: Path, kind: str) -> None:
    ending = "csv.gz" if kind == "CSV" else "parquet"
    (tmp_path / "data").mkdir()
    (tmp_path / "2026-01-02T01-00Z").mkdir()
    (tmp_path / "data" / f"1.{ending}").write_bytes(csv_data("b") if kind == "CSV" else parquet_data("b"))
    (tmp_path / "2026-01-02T01-00Z" / "manifest.json").write_bytes(
        manifest("b", kind, [f"inv/b/daily/data/1.{ending}"])
    )
    assert list(list_sources([f"{tmp_path}/2026-01-02T01-00Z/manifest.json"])) == expected("b")


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_a_table_of_files_is_a_listing(tmp_path: Path, kind: str) -> None:
    here = tmp_path / "here.pdf"
    here.write_bytes(b"x")
    path = tmp_path / f"files.{kind}"
    if kind == "parquet":
        columns = {
            "uri": ["s3://user:secret@b/a.pdf", "gs://c/b.png", str(here), str(tmp_path / "gone.pdf")],
            "size": [7, None, None, None],
            "etag": ["e", None, None, None],
            "modified": pa.array([TIME, None, None, None], pa.timestamp("us", tz="UTC")),
        }
        pq.write_table(pa.table(columns), path)
    else:
        text = (
            f"uri,size,etag,modified\ns3://user:secret@b/a.pdf,7,e,2026-01-02T03:04:05Z\ngs://c/b.png,,,\n{here},,,\n"
        )
        text += f"{tmp_path}/gone.pdf,,,\n"
        path.write_bytes(gzip.compress(text.encode()) if kind == "csv.gz" else text.encode())
    first, second, third, gone = list_sources([str(path)])
    assert first == SourceFile("s3://b/a.pdf", 7, "e", TIME)
    assert isinstance(second, SourceFile)
    assert (second.uri, second.size, second.modified_at) == ("gs://c/b.png", None, None)
    assert isinstance(third, SourceFile)
    assert (third.uri, third.size) == (str(here), 1), "the disk is asked"
    assert isinstance(gone, FailedInput)
    assert gone.failure.reason is Reason.NOT_FOUND
    assert "row 4" in gone.failure.message


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("manifest.json", b"{}", "no manifest of an S3 Inventory"),
        ("manifest.json", b"\xff", "no manifest of an S3 Inventory"),
        ("manifest.json", manifest("b", "ORC", ["x.orc"]), "ORC; have S3 write the inventory as Parquet or CSV"),
        ("manifest.json", manifest("b", "CSV", ["x.csv.gz"]), "x.csv.gz"),
        ("files.csv", b"name,size\na.pdf,1\n", "it has no column uri, only name, size"),
        ("files.csv", b"uri,size\n,1\n", "row 1 has no uri"),
        ("files.parquet", b"no parquet", "it is no inventory that can be read"),
    ],
)
def test_what_is_no_inventory_is_told(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    [failed] = list_sources([str(path)])
    assert isinstance(failed, FailedInput)
    assert failed.uri == str(path)
    assert told in failed.failure.message
