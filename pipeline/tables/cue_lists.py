"""Lists of cues beside the tables: a video's own subtitles and captions, a sidecar's, and what was transcribed.

A list depends on the bytes it was taken from and on how, nothing else. It is kept under both outside all generations,
beside the lists of shots: another model or prompt reads no subtitle track again, and other shots need no new
transcript. Any worker may write it, and writes the same.

    _cues/<recipe>/<asset[:2]>/<asset>.parquet
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from folioscope.model.protocol import Word
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.work import parquet_bytes
from folioscope.pipeline.video.cues import Cue

CUES: Final = "_cues"
SIDECAR_RECIPE: Final = "sidecar-1"  # the number changes with what is made of a sidecar's bytes
_LIST = re.compile(r".*/(?P<asset>[0-9a-f]{64})\.parquet")
_WORD = pa.struct(
    [("text", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64()), ("confidence", pa.float32())]
)
_CUE = pa.schema(
    [
        ("start_s", pa.float64()),
        ("end_s", pa.float64()),
        ("text", pa.string()),
        ("track", pa.string()),
        ("language", pa.string()),
        ("kind", pa.string()),
        ("confidence", pa.float32()),
        ("flags", pa.list_(pa.string())),
        ("words", pa.list_(_WORD)),
    ]
)
_NOTES = b"folioscope_notes"


def cues_path(recipe: str, asset_id: str) -> str:
    return f"{CUES}/{recipe}/{asset_id[:2]}/{asset_id}.parquet"


def write_cues(store: OutputStore, recipe: str, asset_id: str, cues: Sequence[Cue], notes: Sequence[str] = ()) -> None:
    """``notes`` are flags that hold for the whole video, such as that its speech is in no known language.

    Raises OSError where the output cannot be written.
    """
    table = pa.Table.from_pylist([asdict(cue) for cue in cues], schema=_CUE)
    table = table.replace_schema_metadata({_NOTES: json.dumps(list(notes))})
    store.write(cues_path(recipe, asset_id), parquet_bytes(table))


def read_cues(store: OutputStore, recipe: str, asset_id: str) -> tuple[list[Cue], tuple[str, ...]]:
    """(cues, notes) of a list that is there."""
    table = pq.read_table(io.BytesIO(store.read(cues_path(recipe, asset_id))), use_threads=False)
    cues = [
        Cue(**row | {"flags": tuple(row["flags"]), "words": tuple(Word(**word) for word in row["words"])})
        for row in table.to_pylist()
    ]
    return cues, tuple(json.loads((table.schema.metadata or {}).get(_NOTES, b"[]")))


def has_cues(store: OutputStore, recipe: str, asset_id: str) -> bool:
    return store.exists(cues_path(recipe, asset_id))


def listed_assets(store: OutputStore, recipe: str) -> list[str]:
    """The assets that have a list under this recipe, from the files' names alone."""
    matches = (_LIST.fullmatch(name) for name in store.names(f"{CUES}/{recipe}"))
    return [match["asset"] for match in matches if match is not None]


def recipe_of(base: str, key: str | None) -> str:
    """A recipe that also depends on what ``key`` tells of one asset: its sidecars, and who listened to it.

    The same stands in SQL as a macro of this name (``RECIPE_OF``).
    """
    return base if key is None else hashlib.sha256(f"{base}:{key}".encode()).hexdigest()[:16]


# ``bases`` are the recipes of documents and of videos (``recipes.ByKind.ids``): the file's kind decides.
RECIPE_OF: Final = """
    CREATE OR REPLACE MACRO base_of(bases, kind) AS
        CASE WHEN kind IN ('video', 'audio') THEN bases[2] ELSE bases[1] END;
    CREATE OR REPLACE MACRO recipe_of(bases, kind, key) AS
        CASE WHEN key IS NULL THEN base_of(bases, kind)
             ELSE substring(sha256(base_of(bases, kind) || ':' || key), 1, 16) END;
"""
