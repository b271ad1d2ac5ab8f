"""The search index scores as another implementation of BM25 does, and opens from its files."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import bm25s
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.bm25 import Index, IndexWriter

WORDS = st.sampled_from(["weir", "salmon", "river", "flood", "gauge", "魚道"])


def saved(folder: Path, texts: list[list[str]]) -> Index:
    writer = IndexWriter()
    for text in texts:
        writer.add(text)
    writer.save(folder)
    return Index(folder)


@settings(deadline=None, max_examples=40)
@given(
    texts=st.lists(st.lists(WORDS, min_size=1, max_size=12), min_size=1, max_size=8), query=st.sets(WORDS, min_size=1)
)
def test_scores_are_those_of_bm25s(texts: list[list[str]], query: set[str]) -> None:
    other = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    other.index(texts, show_progress=False)
    known = [word for word in sorted(query) if word in other.vocab_dict]
    expected = other.get_scores(known) if known else np.zeros(len(texts))
    with TemporaryDirectory() as folder:
        assert np.allclose(saved(Path(folder), texts).scores(query), expected, atol=1e-5)


def test_texts_without_words_and_an_index_without_texts(tmp_path: Path) -> None:
    index = saved(tmp_path, [[], ["weir"], []])
    assert index.scores(["weir", "weir"]).nonzero()[0].tolist() == [1]
    assert not index.scores(["salmon"]).any()
    (tmp_path / "none").mkdir()
    assert saved(tmp_path / "none", []).scores(["weir"]).tolist() == []
