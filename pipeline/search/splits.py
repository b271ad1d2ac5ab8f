"""Write the index: splits that nobody changes once they are written, added, dropped and merged by commits of Lance.

A split's rows and its full-text index are made by tasks that may run anywhere; what commits them is one writer, which
the output's lease keeps alone. Indexing a page takes some 0.3 ms of CPU beside the cutting of its words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from folioscope.pipeline.search.engine import WORDS, Location

if TYPE_CHECKING:
    from lance.fragment import FragmentMetadata

MANY_SPLITS: Final = 8
_TEXT_INDEX = "words"
_READERS_HAVE = timedelta(hours=6)
# Words come cut to terms; Lance only parts them at spaces.
_ANALYSIS: Final[dict[str, Any]] = {
    "index_type": "INVERTED",
    "base_tokenizer": "whitespace",
    "with_position": True,
    "lower_case": False,
    "stem": False,
    "remove_stop_words": False,
    "ascii_folding": False,
    "max_token_length": None,
}


class IndexWriter:
    """One writer's steps, each a commit of its own: drop files, append splits, index them, merge small ones.

    Readers of earlier versions are not disturbed: their files stay for six hours at the least.
    """

    def __init__(self, location: Location, schema: pa.Schema) -> None:
        """Opens the index, or makes an empty one of this schema."""
        import lance

        self.location = location
        self._options = dict(location.options)
        try:
            self._dataset = lance.dataset(location.uri, storage_options=self._options)
        except (ValueError, OSError):  # Lance says "not found" with either
            self._dataset = lance.write_dataset(schema.empty_table(), location.uri, storage_options=self._options)

    @property
    def version(self) -> int:
        return int(self._dataset.version)

    def drop(self, asset_ids: Sequence[str], at_once: int = 500) -> None:
        """Take all rows of these files out."""
        for start in range(0, len(asset_ids), at_once):
            listed = ", ".join(f"'{asset_id}'" for asset_id in asset_ids[start : start + at_once])
            self._dataset.delete(f"asset_id IN ({listed})")

    def append(self, fragments: Sequence[FragmentMetadata]) -> None:
        """Add what ``write_rows`` wrote, here or in other processes."""
        import lance

        if fragments:
            self._dataset = lance.LanceDataset.commit(
                self.location.uri,
                lance.LanceOperation.Append(list(fragments)),
                read_version=self._dataset.version,
                storage_options=self._options,
            )

    def unindexed(self) -> list[int]:
        """Splits without a full-text index as yet: those just added, or left by a crash."""
        covered = {number for segment in self._segments() for number in segment.fragment_ids}
        return [part.fragment_id for part in self._dataset.get_fragments() if part.fragment_id not in covered]

    def commit_indices(self, segments: Sequence[Any]) -> None:
        """Add what ``index_split`` made."""
        if segments:
            self._dataset = self._dataset.commit_existing_index_segments(_TEXT_INDEX, WORDS, list(segments))

    def merge_small(self) -> None:
        """Once there are many splits, the latest that are no larger than those after them together become one.

        A row's index is merged anew once for each doubling of what came after it.
        """
        segments = self._segments()
        if len(segments) < MANY_SPLITS:
            return
        rows = {part.fragment_id: part.count_rows() for part in self._dataset.get_fragments()}
        sizes = [sum(rows.get(number, 0) for number in segment.fragment_ids) for segment in segments]
        taken, total = 1, sizes[-1]
        while taken < len(sizes) and sizes[-1 - taken] <= total:
            total += sizes[-1 - taken]
            taken += 1
        if taken > 1:
            self._dataset.optimize.optimize_indices(num_indices_to_merge=taken, index_names=[_TEXT_INDEX])
            self._dataset.optimize.compact_files()
            self._reopen()

    def rewrite_deleted(self) -> None:
        """Rewrite the splits that hold words of dropped files, and all postings: they still know those words."""
        self._dataset.optimize.compact_files(materialize_deletions_threshold=0.0)
        self._reopen()
        if self._segments():
            self._dataset.create_scalar_index(WORDS, name=_TEXT_INDEX, replace=True, **_ANALYSIS)
            self._reopen()

    def forget_all_before(self) -> None:
        """Delete the files of all earlier versions at once."""
        self._dataset.cleanup_old_versions(older_than=timedelta(0), delete_unverified=True)

    def forget_old_versions(self) -> None:
        """Delete the files of versions that no reader can still be asking."""
        self._dataset.cleanup_old_versions(older_than=_READERS_HAVE)

    def _segments(self) -> list[Any]:
        return [segment for index in self._dataset.describe_indices() for segment in index.segments]

    def _reopen(self) -> None:
        import lance

        self._dataset = lance.dataset(self.location.uri, storage_options=self._options)


def write_rows(location: Location, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> list[FragmentMetadata]:
    """Write rows as a split that nobody sees before ``append``; for a task of its own."""
    from lance.fragment import write_fragments

    reader = pa.RecordBatchReader.from_batches(schema, batches)
    written: list[FragmentMetadata] = write_fragments(
        reader, location.uri, schema=schema, mode="append", storage_options=dict(location.options)
    )
    return written


def index_split(location: Location, version: int, split: int) -> Any:
    """Make the full-text index of one split, which nobody sees before ``commit_indices``; for a task of its own."""
    import lance

    dataset = lance.dataset(location.uri, version=version, storage_options=dict(location.options))
    return dataset.create_index_uncommitted(
        WORDS, name=_TEXT_INDEX, replace=True, fragment_ids=[split], num_workers=1, **_ANALYSIS
    )
