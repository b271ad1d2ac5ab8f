"""One increment of a run: its own commits and ledger, the work of its stages, and its part of the accounting.

Increments are identified, read, understood and published one by one, so that memory, Ray's blocks and work files, and
what a crash can lose, are those of an increment or two, however large the archive, and readers see each as it is
published. What an increment needs is planned over its own files alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa

from folioscope.pipeline.planning import at_rest
from folioscope.pipeline.planning import files as plan
from folioscope.pipeline.planning import tasks as plan_tasks
from folioscope.pipeline.planning import videos as plan_videos
from folioscope.pipeline.planning.documents import DocumentTasks
from folioscope.pipeline.planning.listing import Listing, commit_failed_inputs, listed_again, take_out
from folioscope.pipeline.planning.units import UnitToRead
from folioscope.pipeline.planning.video_units import SoundToTranscribe, SpanToScan
from folioscope.pipeline.setup import RunSetup
from folioscope.pipeline.tables.accounting import Accounting, Deferred, leave_out_counted, lost_rows, reconcile
from folioscope.pipeline.tables.assets import mark_changed_assets, page_tallies, publish_assets, upgraded
from folioscope.pipeline.tables.failures_table import kept_failures, merge_failures
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import Manifest
from folioscope.pipeline.tables.publish import TAKEN_FROM_COMMITS, Publication
from folioscope.pipeline.tables.state import state_rows
from folioscope.pipeline.tables.work import WorkArea


@dataclass(slots=True)
class Outstanding:
    """What an increment did not get to, since the run is to stop."""

    segments: int = 0
    summaries: int = 0
    answers: int = 0


@dataclass(frozen=True, slots=True)
class CommittedUnits:
    pages: int
    tasks: int


class Increment:
    """One increment: its own commits and ledger, the blocks of its stages, and its part of the accounting."""

    def __init__(
        self,
        setup: RunSetup,
        ledger: Ledger,
        listing: Listing,
        counted: Callable[[Increment], pa.Table],
        *,
        last: bool,
    ) -> None:
        """``counted`` gives (asset_id, question_id) of this increment's content that earlier ones have counted."""
        self._setup = setup
        self._counted_before = counted
        self.ledger = ledger
        self._listing = listing
        self.last = last
        self.begun = time.monotonic()
        self.outstanding = Outstanding()
        self._planned = setup.config.limited  # whether newest files come first

    @property
    def work(self) -> WorkArea:
        return self.ledger.work

    @property
    def files(self) -> int:
        return int(self.ledger.query("SELECT count(*) AS n FROM listed")["n"][0].as_py())

    def files_to_identify(self) -> pa.Table:
        return plan.files_to_identify(self.ledger, newest_first=self._planned)

    def close(self) -> None:
        self.ledger.close()

    def committed_units(self) -> CommittedUnits:
        """What this run's actors have committed of the increment, by asking the output."""
        self.ledger.refresh()
        row = self.ledger.query(
            """
            SELECT coalesce(sum("last" - "first" + 1) FILTER (stage = 'read'), 0)::BIGINT AS pages,
                   count(*) FILTER (stage IN ('summarize', 'answer')) AS tasks
            FROM work_units WHERE run_id = $1
            """,
            [self._setup.run_id],
        ).to_pylist()[0]
        return CommittedUnits(**row)

    def commit_failed_inputs(self) -> None:
        """Record the inputs that could not be listed, and take the record in."""
        commit_failed_inputs(self.work, self._listing, self._setup.run_id)
        self.ledger.refresh()

    def resolve(self) -> None:
        """Take in what stages have committed."""
        self.ledger.refresh()
        if self.last:
            at_rest.wake(self.ledger)
        self._setup.resolve(self.ledger)

    def leave_to_later(self, busy: pa.Table) -> pa.Table:
        """Take files out whose content (``busy``: asset_id) another increment is at; returns them, as listed."""
        left = take_out(self.ledger, busy)
        if left.num_rows:
            self._setup.resolve(self.ledger)
        return left

    def content(self) -> pa.Table:
        """(asset_id) of the documents and videos of this increment."""
        return self.ledger.query("SELECT asset_id FROM documents")

    def counted(self) -> pa.Table:
        """(asset_id, question_id) of all that ``reconcile`` counted; question_id is null for the documents."""
        return self.ledger.query(
            """
            SELECT asset_id, NULL::VARCHAR AS question_id FROM documents
            UNION ALL SELECT asset_id, question_id FROM asked
            """
        )

    def spans_to_scan(self) -> list[SpanToScan]:
        setup = self._setup
        if setup.shots_recipe is None or "read" not in setup.config.tasks:
            return []
        seconds = setup.config.seconds_per_unit
        return list(plan_videos.spans_to_scan(self.ledger, setup.shots_recipe, seconds, newest_first=self._planned))

    def sounds_to_transcribe(self) -> list[SoundToTranscribe]:
        if "read" not in self._setup.config.tasks:
            return []
        return plan_videos.sounds_to_transcribe(self.ledger, newest_first=self._planned)

    def units_to_read(self) -> list[UnitToRead]:
        if "read" not in self._setup.config.tasks:
            return []
        counted = self._leave_out_counted()
        per_unit = self._setup.config.segments_per_unit
        units = plan.units_to_read(self.ledger, self._setup.recipes.read, per_unit, newest_first=self._planned)
        return [unit for unit in units if (unit.asset_id, None) not in counted]

    def documents_to_understand(self) -> list[DocumentTasks]:
        self.ledger.refresh()
        page_tallies(self.ledger, self._setup.recipes.read)
        counted = self._leave_out_counted()
        documents = plan_tasks.documents_to_understand(
            self.ledger, self._setup.recipes, self._setup.config.tasks, newest_first=self._planned
        )
        left = [document.without(counted) for document in documents] if counted else documents
        return [document for document in left if document.tasks]

    def _leave_out_counted(self) -> set[tuple[str, str | None]]:
        """What earlier increments have tried or left, under another path: it is not this one's to do, nor to count."""
        counted = self._counted_before(self)
        leave_out_counted(self.ledger, counted)
        return set(zip(counted["asset_id"].to_pylist(), counted["question_id"].to_pylist(), strict=True))

    def reconcile(self, stopped: str | None) -> Accounting:
        """Count this increment's part, after its stages. ``stopped``: why the run ends before its work is done."""
        setup, ledger = self._setup, self.ledger
        config = setup.config
        ledger.refresh()
        covered = self._listing.coverage if self.last else None
        mark_changed_assets(ledger, covered, setup.recipes, config.tasks, setup.run_id, config.kinds, stopped)
        self._leave_out_counted()
        kept = kept_failures(ledger, setup.recipes)
        left = self.outstanding
        deferred = Deferred(left.segments - kept.segments, left.summaries - kept.summaries, left.answers - kept.answers)
        found = reconcile(ledger, setup.recipes, config.tasks, setup.run_id, config.kinds, deferred)
        if self.last:
            found += at_rest.count_at_rest(ledger, config.tasks)
        lost = lost_rows(ledger.records)
        return replace(
            found,
            segments=replace(found.segments, done=found.segments.done - lost["segments"]),
            summaries=replace(found.summaries, done=found.summaries.done - lost["summaries"]),
            answers=replace(found.answers, done=found.answers.done - lost["answers"]),
        )

    def publication(self, manifest: Manifest) -> Publication:
        """The tables' state with this increment, but for the run's own row. ``reconcile`` comes first."""
        publication = Publication(self.work, manifest, self._setup.run_id)
        publication.upgrade(lambda name, group: upgraded(self.ledger, name, group))
        for record in self.ledger.records:
            for part in record.parts:
                if part.table in TAKEN_FROM_COMMITS:
                    publication.take(part.table, part.file)
        if manifest.state is None:
            publication.grow_state(state_rows(self.ledger, "SELECT * FROM state"))
        publication.grow_state(state_rows(self.ledger, _NEW_STATE))
        publish_assets(self.ledger, publication)
        inputs = listed_again(self.ledger, self._listing, self._setup.config.inputs) if self.last else ()
        merge_failures(self.ledger, plan_videos.videos_tried_again(self.ledger), inputs, publication)
        return publication


_NEW_STATE = """
    SELECT key64(asset_id) AS asset, task_key(recipe_id, question_id) AS task, sum(rows)::INTEGER AS rows
    FROM work_rows GROUP BY ALL
"""
