"""A question asked of a whole archive: the best pages and shots by search, then the replica's answers over their text.

Search decides what is looked at: of the best files the pages found, with those beside them. The replica answers from
each file, and every quote is looked up again in the page it names; an answer none of whose quotes stands there is left
out, so that "not found" is an answer. Nothing that a document says can do more than be quoted. Costs the search, a few
reads of the tables and the replica's answers, some 50 ms a file for the embedded replica.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from folioscope.model.protocol import (
    Answer,
    AssetTasks,
    AssetText,
    DocumentText,
    Evidence,
    Question,
    Replica,
    ReplicaDescription,
    VideoText,
)
from folioscope.pipeline.readers.search import ArchiveSearch, Hit
from folioscope.pipeline.readers.segments import read_segments
from folioscope.pipeline.readers.views import open_views
from folioscope.pipeline.search.query import Filters
from folioscope.pipeline.stages.evidence import verify, verify_in_video
from folioscope.pipeline.storage.lease import Lease
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import load_manifest
from folioscope.pipeline.tables.publish import Publication
from folioscope.pipeline.tables.recipes import ASK_PREFIX
from folioscope.pipeline.tables.rows import Provenance, answer_row, new_run_id, page_text, shot_text
from folioscope.pipeline.tables.state import state_rows
from folioscope.pipeline.tables.work import WorkArea
from folioscope.schemas.errors import ExitCode, FolioscopeError
from folioscope.schemas.migrations import to_table
from folioscope.schemas.tables import SEGMENTS

SEGMENTS_SEARCHED: Final = 60
SEGMENTS_A_FILE: Final = 6  # of those found; the ones beside them are read, too
_COLUMNS = tuple(SEGMENTS.names)


class AskError(FolioscopeError):
    """The replica answered nothing; the message says why."""

    exit_code: ClassVar[ExitCode] = ExitCode.BROKEN


@dataclass(frozen=True, slots=True)
class Found:
    """One file's answer, its evidence checked."""

    uri: str
    asset_id: str
    answer: Answer

    @property
    def proved(self) -> bool:
        """Whether any of its quotes was verified."""
        return any(item.verified for item in self.answer.evidence)


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of a question. ``unfounded`` answers were left out: none of their quotes stands where they say."""

    question: Question
    answers: list[Found]
    looked_at: int
    unfounded: int


def ask_archive(
    store: OutputStore,
    question: str,
    replica: Replica,
    *,
    documents: int = 5,
    cache: Path | None = None,
    filters: Filters | None = None,
    notify: Callable[[str], None] = lambda told: None,
) -> Asked:
    """Answers to a question, those with proof first; none where no file that was looked at holds one.

    Raises:
        SearchError, SearchIndexError, ManifestError, OutputError: nothing can be asked of the output.
        AskError: the replica failed on every file.
    """
    search = ArchiveSearch(store, cache, notify)
    asked = Question(f"{ASK_PREFIX}{_digest(question)[:12]}", question)
    by_file: dict[str, list[Hit]] = {}
    for hit in search.find(question, SEGMENTS_SEARCHED, filters=filters):
        if hit.asset_id in by_file or len(by_file) < documents:
            by_file.setdefault(hit.asset_id, []).append(hit)
    assets = [_material(search, hits[:SEGMENTS_A_FILE]) for hits in by_file.values()]
    found, failures = _understood(replica, assets, asked)
    if failures and not found:
        raise AskError(f"the model answered nothing: {failures[0]}") from failures[0]
    for failure in failures:
        notify(f"one of {len(assets)} files could not be asked: {failure}")
    answered = [item for item in found if item.answer.answerable]
    founded = [item for item in answered if any(_stands(evidence) for evidence in item.answer.evidence)]
    best = sorted(founded, key=lambda item: (not item.proved, -(item.answer.score or 0.0)))
    return Asked(asked, best, len(assets), len(answered) - len(founded))


def _material(search: ArchiveSearch, hits: Sequence[Hit]) -> AssetText:
    """What was found of a file, with the pages or shots beside each: an answer may run over a page's end."""
    first = hits[0]
    numbers = sorted({hit.segment + step for hit in hits for step in (-1, 0, 1)})
    keys = [(first.asset_id, first.recipe_id, number) for number in numbers]
    rows = read_segments(search.store, search.manifest, keys, _COLUMNS)
    present = [rows[key] for key in keys if key in rows]
    if first.kind == "page":
        return DocumentText(first.asset_id, first.uri, None, tuple(map(page_text, present)))
    return VideoText(first.asset_id, first.uri, None, present[-1]["end_s"], tuple(map(shot_text, present)))


def _understood(
    replica: Replica, assets: Sequence[AssetText], question: Question
) -> tuple[list[Found], list[Exception]]:
    by_id = {asset.asset_id: asset for asset in assets}
    found: list[Found] = []
    failures: list[Exception] = []
    for understanding in replica.understand(AssetTasks(asset, questions=(question,)) for asset in assets):
        [answer] = understanding.answers
        if isinstance(answer, Exception):
            failures.append(answer)
            continue
        asset = by_id[understanding.asset_id]
        checked = replace(answer, evidence=tuple(_checked(asset, item) for item in answer.evidence))
        found.append(Found(asset.uri, asset.asset_id, checked))
    return found, failures


def _checked(asset: AssetText, evidence: Evidence) -> Evidence:
    if isinstance(asset, VideoText):
        return verify_in_video(evidence, asset.shots)
    return verify(evidence, {page.page_number: page for page in asset.pages})


def _stands(evidence: Evidence) -> bool:
    """Whether the quote was found where it says, be it in a text that a model wrote."""
    return evidence.verified or evidence.verified_by is not None


def keep_answers(
    store: OutputStore, asked: Asked, description: ReplicaDescription, notify: Callable[[str], None]
) -> int:
    """Store the answers as rows of ``answers``, under a recipe that names question and model; how many are new.

    Raises:
        OutputError, OutputBusyError, LeaseLostError: with what to do about it.
    """
    run_id = f"{new_run_id()}-ask"
    name = f"{description.name}@{description.revision}"
    recipe = f"{ASK_PREFIX}{_digest(json.dumps([name, asked.question.text]))[:16]}"
    with Lease(store, run_id, notify) as lease:
        with open_views(store) as database:
            held = {row[0] for row in database.execute(_HELD, [recipe, asked.question.question_id]).fetchall()}
        new = sorted((item for item in asked.answers if item.asset_id not in held), key=lambda item: item.asset_id)
        if new:
            provenance = Provenance(recipe, run_id, name)
            rows = [answer_row(item.uri, item.asset_id, asked.question, item.answer, provenance) for item in new]
            _publish(store, rows, run_id, partial(lease.check, thoroughly=True))
        return len(new)


_HELD = "SELECT asset_id FROM all_answers WHERE recipe_id = $1 AND question_id = $2"


def _publish(store: OutputStore, rows: list[dict[str, Any]], run_id: str, check: Callable[[], None]) -> None:
    manifest = load_manifest(store)
    # Under the generation that is published: what a run has committed since stays its own.
    work = WorkArea(store, manifest.generation)
    publication = Publication(work, manifest, run_id)
    table = to_table("answers", rows)
    publication.append("answers", [table])
    ledger = Ledger(manifest, work)
    try:
        if manifest.state is not None:
            ledger.db.register("kept", table.select(["asset_id", "recipe_id", "question_id"]))
            counted = "SELECT key64(asset_id) AS asset, task_key(recipe_id, question_id) AS task, 1 AS rows FROM kept"
            publication.grow_state(state_rows(ledger, counted))
        publication.publish(check)
    finally:
        ledger.close()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
