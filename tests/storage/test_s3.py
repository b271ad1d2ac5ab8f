"""A bucket over HTTP on bad days: what waiting mends is waited for, the rest is told, and nothing is half there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from buckets import Bucket, client_settings
from fsspec.config import conf
from proxy import Fault
from server import KEY_ID, SECRET

from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.storage import fetching
from folioscope.pipeline.storage.download_cache import DownloadCache
from folioscope.pipeline.storage.retries import RETRIES, TRIES
from folioscope.pipeline.storage.sources import FailedInput, SourceFile, coverage, list_sources
from folioscope.pipeline.storage.store import OutputError, OutputStore

CONTENT = bytes(range(256)) * 200
S3_TRIES = 2  # of s3fs itself, in these tests


def put(bucket: Bucket, name: str, content: bytes = CONTENT) -> SourceFile:
    OutputStore(bucket.uri).write(name, content)
    [found] = list_sources([f"{bucket.uri}/{name}"])
    assert isinstance(found, SourceFile)
    bucket.script.requests.clear()
    RETRIES.take()
    return found


def test_what_is_written_is_listed_read_and_deleted(bucket: Bucket) -> None:
    store = OutputStore(f"{bucket.uri}/out")
    store.write("a/b/one", b"1")
    with store.writer("a/two") as stream:
        stream.write(b"22")
    assert store.names("a") == ["a/b/one", "a/two"]
    assert store.read("a/two") == b"22"
    store.delete(["a/two", "a/never-there"])
    store.delete_folder("a")
    assert store.names("a") == []
    with pytest.raises(FileNotFoundError):
        store.read("a/two")


def test_a_file_is_created_once_though_the_answer_is_lost(bucket: Bucket) -> None:
    store = OutputStore(bucket.uri)
    assert store.create("lease", b"first")
    assert not store.create("lease", b"second")
    assert store.read("lease") == b"first"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("PUT", "refuse", times=5),
        Fault("PUT", "refuse", times=3, code="InternalError", status=500),
        Fault("PUT", "drop", times=8),
    ],
    ids=["throttled", "internal error", "dropped"],
)
def test_a_write_outlasts_a_bad_spell(bucket: Bucket, fault: Fault) -> None:
    RETRIES.take()
    bucket.script.faults.append(fault)
    store = OutputStore(bucket.uri)
    store.write("file", CONTENT)
    assert store.read("file") == CONTENT
    assert RETRIES.take() > 0


@pytest.mark.guarantee(
    fault="object store fails",
    moment="identify, read, understand, publish",
    outcome="one that stays away ends the run with exit 1 after a bounded number of tries",
)
def test_a_store_that_stays_down_is_told_after_a_bounded_number_of_tries(bucket: Bucket) -> None:
    bucket.script.faults.append(Fault("PUT", "refuse"))
    with pytest.raises(OutputError, match=r"s3://b-.*/file could not be written.*run the same command again"):
        OutputStore(bucket.uri).write("file", CONTENT)
    assert len(bucket.script.seen("PUT")) == TRIES * S3_TRIES


def test_a_large_file_goes_up_in_parts_and_a_lost_part_is_sent_again(bucket: Bucket) -> None:
    bucket.script.faults.append(Fault("PUT .*partNumber=2", "refuse", times=S3_TRIES))
    store = OutputStore(bucket.uri)
    block = CONTENT * 20
    digest = hashlib.sha256()
    with store.writer("large") as stream:
        while stream.tell() < 105 << 20:
            stream.write(block)
            digest.update(block)
    assert hashlib.sha256(store.read("large")).digest() == digest.digest()
    assert len(bucket.script.seen("PUT .*partNumber")) >= 3


def test_a_broken_stream_leaves_nothing(bucket: Bucket) -> None:
    store = OutputStore(bucket.uri)

    def write_half() -> None:
        with store.writer("table/file") as stream:
            stream.write(b"half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_half()
    assert store.names("") == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET /b-.*/a.pdf", "cut", times=3),
        Fault("GET /b-.*/a.pdf", "drop", times=3),
        Fault("GET /b-.*/a.pdf", "stall", times=2, seconds=3.5),
        Fault("GET /b-.*/a.pdf", "refuse", times=4),
    ],
    ids=["cut", "dropped", "slow", "throttled"],
)
def test_a_bad_spell_costs_one_range(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(fetching, "RANGE_BYTES", 10_000)
    if fault.kind == "stall":
        monkeypatch.setitem(conf, "s3", client_settings(bucket.url, seconds=3))
    source = put(bucket, "a.pdf")
    bucket.script.faults.append(fault)
    copy = DownloadCache(tmp_path).fetch(source, 1 << 20)
    assert copy.path.read_bytes() == CONTENT
    assert copy.sha256 == hashlib.sha256(CONTENT).hexdigest()
    asked = bucket.script.seen("GET")
    assert {request.rpartition("bytes=")[2] for request in asked} == {
        f"{start}-{min(start + 9_999, len(CONTENT))}" for start in range(0, len(CONTENT), 10_000)
    }, "the last one asks for a byte too many"
    others = [request for request in asked if "bytes=0-" not in request]
    assert len(others) == 5 or fault.kind == "stall", (
        "only the first range was in trouble, unless a busy machine stalls"
    )


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_refused_credentials_are_told_once_and_condemn_no_file(bucket: Bucket, tmp_path: Path, code: str) -> None:
    source = put(bucket, "a.pdf")
    bucket.script.faults.append(Fault("/", "refuse", status=403, code=code))
    with pytest.raises(Failure) as told:
        DownloadCache(tmp_path).fetch(source, 1 << 20)
    assert told.value.reason is Reason.STORAGE_ERROR, "tried again on the next run"
    assert f"({code}); renew them" in told.value.message
    assert len(bucket.script.seen("GET")) == 1, "waiting does not help"
    with pytest.raises(OutputError, match=f"{code}.*renew the credentials"):
        OutputStore(bucket.uri).write("x", b"x")
    [unlisted] = list_sources([bucket.uri])
    assert isinstance(unlisted, FailedInput)
    for words in (str(told.value), str(unlisted.failure)):
        assert SECRET not in words
        assert KEY_ID not in words


def test_a_bucket_that_vanishes_is_told(bucket: Bucket, tmp_path: Path) -> None:
    source = put(bucket, "a.pdf")
    bucket.script.faults.append(Fault("/", "refuse", status=404, code="NoSuchBucket"))
    with pytest.raises(Failure) as told:
        DownloadCache(tmp_path).fetch(source, 1 << 20)
    assert told.value.reason is Reason.NOT_FOUND
    with pytest.raises(OutputError):
        OutputStore(bucket.uri).write("x", b"x")
    [unlisted] = list_sources([bucket.uri])
    assert isinstance(unlisted, FailedInput)
    assert unlisted.failure.reason is Reason.NOT_FOUND


def test_a_long_listing_comes_by_pages_and_a_page_that_fails_is_asked_for_again(bucket: Bucket) -> None:
    store = OutputStore(bucket.uri)
    for number in range(25):
        store.write(f"in/letters/{number:03d}.pdf", b"x")
    bucket.script.requests.clear()
    bucket.script.faults += [Fault("list-type", "page", size=10), Fault("continuation-token", "refuse", times=2)]
    found = list(list_sources([f"{bucket.uri}/in"]))
    assert [item.uri for item in found] == [f"{bucket.uri}/in/letters/{n:03d}.pdf" for n in range(25)]
    assert len(bucket.script.seen("continuation-token")) == 2 + 2


@pytest.mark.guarantee(
    fault="object store fails",
    moment="identify",
    outcome="a listing that breaks off is a failure of that input; no file counts as deleted",
)
def test_a_listing_that_breaks_off_is_no_listing(bucket: Bucket) -> None:
    store = OutputStore(bucket.uri)
    for number in range(25):
        store.write(f"in/{number:03d}.pdf", b"x")
    bucket.script.faults += [Fault("list-type", "page", size=10), Fault("continuation-token", "refuse")]
    *_, unlisted = list_sources([f"{bucket.uri}/in"])
    assert isinstance(unlisted, FailedInput)
    covered = coverage([f"{bucket.uri}/in"], [unlisted])
    assert not covered.covers(f"{bucket.uri}/in/024.pdf"), "half a listing must not make the other half look deleted"


def test_a_table_is_read_by_ranges_through_a_bad_spell(bucket: Bucket) -> None:
    store = OutputStore(bucket.uri)
    table = pa.table({"n": list(range(50_000)), "word": [f"word {n % 777}" for n in range(50_000)]})
    with store.writer("t/a.parquet") as sink:
        pq.write_table(table, sink, row_group_size=10_000)
    bucket.script.faults += [Fault("HEAD", "refuse", times=3), Fault("GET", "drop", times=4)]
    bucket.script.requests.clear()
    with store.open("t/a.parquet") as stream:
        assert pq.read_table(stream) == table
    assert [fault.times for fault in bucket.script.faults] == [0, 0]
    bucket.script.faults.append(Fault("/a.parquet", "refuse"))
    with pytest.raises(OutputError, match="run the same command again"), store.open("t/a.parquet") as stream:
        stream.read()


def test_a_look_for_a_file_is_one_request_whether_it_is_there_or_not(bucket: Bucket) -> None:
    store = OutputStore(f"{bucket.uri}/out")
    store.write("attempts/a.1", b"")
    for name, there in (("attempts/a.1", True), ("attempts/a.2", False), ("attempts", False)):
        bucket.script.requests.clear()
        assert store.exists(name) is there
        assert [request.split()[0] for request in bucket.script.requests] == ["HEAD"]
