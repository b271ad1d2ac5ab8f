"""A search index in a bucket: built there, named by the manifest there, and asked by ranges."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Bucket
from sample_rows import asset, block, page, publish

from folioscope.pipeline.readers.agent import AgentArchive
from folioscope.pipeline.readers.bounded_sql import QueryRefusedError
from folioscope.pipeline.readers.search import ArchiveSearch
from folioscope.pipeline.search.build import publish_index
from folioscope.pipeline.search.rows import IndexRecipe
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest


def test_a_bucket_is_searched_where_it_lies(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"A": "1,874 salmon", "B": "a heron"}
    rows = {
        "assets": [asset(f"{name}.pdf", name) for name in texts],
        "segments": [page(name, 1, text=text, blocks=[block(text)]) for name, text in texts.items()],
    }
    published = publish(tmp_path, rows)
    store = OutputStore(f"{bucket.uri}/out")
    for path in published.rglob("*.*"):
        store.write(str(path.relative_to(published)), path.read_bytes())
    after = publish_index(store, load_manifest(store), IndexRecipe(), lambda: None)
    assert after.index is not None
    assert store.names("_search"), "the index lies in the bucket"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert [hit.asset_id for hit in ArchiveSearch(store).find("1874", 9)] == ["A"]
    assert not (tmp_path / "cache").exists(), "and is not copied"


def test_an_agent_asks_a_bucket_and_nothing_beside_it(bucket: Bucket, tmp_path: Path) -> None:
    rows = {"assets": [asset("a.pdf", "A")], "segments": [page("A", 1, text="1,874 salmon")]}
    published = publish(tmp_path / "out", rows)
    store = OutputStore(f"{bucket.uri}/out")
    for path in published.rglob("*.*"):
        store.write(str(path.relative_to(published)), path.read_bytes())
    store.write("beside.txt", b"no file of the tables")
    archive = AgentArchive(store, tmp_path / "cache")
    assert archive.verify("a.pdf", "1,874 salmon")["verified"] is True
    assert archive.query("SELECT count(*) AS n FROM pages")["rows"] == [[1]]
    for sql in (f"FROM read_text('{bucket.uri}/out/beside.txt')", f"FROM glob('{bucket.uri}/*')"):
        with pytest.raises(QueryRefusedError, match="Permission"):
            archive.query(sql)
    archive.close()
