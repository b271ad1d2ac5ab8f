"""One run, from start to end: list, identify, plan, read, understand, publish, balance.

The driver holds the listing, the plan and counts; pages and texts pass it by. It may be killed at any moment: the
same command carries on from what is committed.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pyarrow as pa

from model.protocol import ReplicaDescription
from pipeline import plan, plan_films
from pipeline.books import Books, balance
from pipeline.config import RunConfig
from pipeline.decode.children import ChildLimits
from pipeline.decode.pages import DecodeSettings
from pipeline.films import make_cut_recipe
from pipeline.lease import Lease
from pipeline.ledger import Ledger
from pipeline.manifest import Manifest, load_manifest, save_manifest, unlisted
from pipeline.progress import StageProgress
from pipeline.publish import merged_failures, publish_results, read_published, replace_table
from pipeline.recipes import Recipes, make_recipes
from pipeline.remote import RETRIES
from pipeline.rows import Provenance, now
from pipeline.session import ray_session, run_actors
from pipeline.shots import CutSettings
from pipeline.snapshot import page_tallies, take_snapshot
from pipeline.spool import default_folder
from pipeline.stages.cut import SPANS, CutActor, CutJob
from pipeline.stages.identify import FILES_PER_BLOCK, IdentifyActor, IdentifyJob
from pipeline.stages.pictures import PictureAccess
from pipeline.stages.prepare import ReadJob
from pipeline.stages.read import ReadActor
from pipeline.stages.results import UnitResult
from pipeline.stages.understand import DOCUMENTS, UnderstandActor, UnderstandJob
from pipeline.store import OutputError, OutputStore
from pipeline.versions import versions
from pipeline.work import WorkArea
from schemas.migrations import to_table

PAGES_PER_BLOCK = 128
BLOCKS_AT_ONCE = 4  # in a read actor whose model reads many pages at once: a small archive's blocks hold few each
DOCUMENTS_PER_BLOCK = 16
SPANS_PER_BLOCK = 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: its books, where it published them, and how often a store had to be asked again."""

    run_id: str
    books: Books
    manifest: Manifest
    retried_requests: int


class Run:
    """The state of one run. ``execute`` does all of it."""

    def __init__(self, config: RunConfig, replica: ReplicaDescription) -> None:
        self.config = config
        self.run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        self.started_at = now()
        self.replica = replica
        if config.gpus_per_replica is not None:
            self.replica = replace(replica, num_gpus=config.gpus_per_replica)
        self.settings = DecodeSettings(
            dpi=config.dpi,
            # Whoever reads the picture compares words with the layer at most: no layout network is run for that.
            layout=config.layout if replica.reads_layer else "fast",
            render="when_needed" if self.replica.reads_layer else "always",
            max_pixels=config.max_pixels,
            thumbnail_px=config.thumbnails,
        )
        questions = config.questions if config.asks else ()
        self.cut_settings = CutSettings(max_frames=config.max_frames_per_shot)
        self.cut_recipe = make_cut_recipe(self.cut_settings) if config.media == "films" else None
        self.recipes: Recipes = make_recipes(
            self.replica, self.settings, {q.id: q.question for q in questions}, self.cut_recipe
        )
        self.totals = UnitResult()

    def execute(self) -> Outcome:
        """Do the run.

        Raises:
            ManifestError, SessionError, OutputError, OutputBusyError, LeaseLostError: with what to do about it.
        """
        store = OutputStore(self.config.output)
        with Lease(store, self.run_id, _say) as self._lease:
            return self._execute(store)

    def _execute(self, store: OutputStore) -> Outcome:
        manifest = load_manifest(store)
        work = WorkArea(store, manifest.generation + 1)
        work.clear_older()
        plan.forget_passing_failures(work)
        listing = plan.list_files(self.config)
        plan.commit_unlisted(work, listing, self.run_id)
        ledger = Ledger(manifest, work)
        try:
            self._compute(ledger, listing)
            return self._publish(ledger, manifest, listing)
        finally:
            ledger.close()

    # The stages. Ray starts only where there is something to do.

    def _compute(self, ledger: Ledger, listing: plan.Listing) -> None:
        unknown = plan.files_to_identify(ledger, listing, passwords_given=bool(self.config.passwords))
        spool = str(default_folder())
        with _LazySession(self.config, self.replica) as session:
            if unknown.num_rows:
                session.start()
                self._identify(ledger, unknown, spool)
            self._resolve(ledger)
            if self.cut_recipe is not None and "read" in self.config.tasks:
                spans = list(plan_films.spans_to_cut(ledger, self.cut_recipe, self.config.seconds_per_unit))
                if spans:
                    session.start()
                    self._cut(ledger, spans, spool)
            plan.register_questions(ledger, self.config.questions if self.config.asks else (), self.recipes)
            if "read" in self.config.tasks:
                units = list(plan.units_to_read(ledger, self.recipes.read, self.config.segments_per_unit))
                if units:
                    session.start()
                    self._read(ledger, units, spool)
            page_tallies(ledger, self.recipes.read)
            documents = plan.documents_to_understand(ledger, self.recipes, self.config.tasks)
            if documents:
                session.start()
                self._understand(ledger, documents, spool)

    def _resolve(self, ledger: Ledger) -> None:
        plan_films.register_shots(ledger, self.cut_recipe)
        plan.resolve_files(ledger, self.config.kinds)

    def _identify(self, ledger: Ledger, files: pa.Table, spool: str) -> None:
        job = IdentifyJob(ledger.work, self.run_id, spool, *self._access(), self.config.kinds)
        blocks = [files.slice(start, FILES_PER_BLOCK) for start in range(0, files.num_rows, FILES_PER_BLOCK)]
        self._stage("identify", "files", files.num_rows, blocks, IdentifyActor, job, gpus=0.0)
        ledger.refresh()

    def _cut(self, ledger: Ledger, spans: list[dict[str, Any]], spool: str) -> None:
        job = CutJob(ledger.work, self.run_id, self.cut_settings, self.config.seconds_per_unit, spool, *self._access())
        blocks = plan.into_blocks(spans, self.config.replicas, SPANS_PER_BLOCK, schema=SPANS, size_of=lambda span: 1)
        self._stage("cut", "spans", len(spans), blocks, CutActor, job, gpus=0.0)
        ledger.refresh()
        self._resolve(ledger)

    def _read(self, ledger: Ledger, units: list[dict[str, Any]], spool: str) -> None:
        provenance = self._provenance(self.recipes.read)
        job = ReadJob(
            ledger.work,
            self.config.choice,
            provenance,
            self.settings,
            spool,
            *self._access(),
            self.config.seconds_per_read,
            self.cut_recipe,
        )
        blocks = plan.into_blocks(units, self.config.replicas, PAGES_PER_BLOCK)
        noun = "pages" if self.cut_recipe is None else "shots"
        total = sum(map(plan.segments_of, units))
        calls = BLOCKS_AT_ONCE if self.replica.batches else 1
        self._stage("read", noun, total, blocks, ReadActor, job, gpus=self.replica.num_gpus, calls=calls)
        ledger.refresh()

    def _understand(self, ledger: Ledger, documents: list[dict[str, Any]], spool: str) -> None:
        job = UnderstandJob(
            ledger.work,
            self.config.choice,
            self.recipes.read,
            self._provenance(self.recipes.summarize),
            self.config.seconds_per_read,
            PictureAccess(replace(self.settings, thumbnail_px=0), spool, *self._access())
            if self.replica.looks
            else None,
        )
        size = max(1, min(DOCUMENTS_PER_BLOCK, len(documents) // (4 * self.config.replicas)))
        blocks = [
            pa.Table.from_pylist(documents[start : start + size], schema=DOCUMENTS)
            for start in range(0, len(documents), size)
        ]
        tasks = sum(row["summary_wanted"] + len(row["questions"]) for row in documents)
        self._stage("understand", "tasks", tasks, blocks, UnderstandActor, job, gpus=self.replica.num_gpus)
        ledger.refresh()

    def _stage(
        self,
        name: str,
        noun: str,
        total: int,
        blocks: list[pa.Table],
        actor: type,
        job: object,
        *,
        gpus: float,
        calls: int = 1,
    ) -> None:
        outcomes = run_actors(
            blocks,
            actor,
            job,
            size=self.config.replicas,
            num_cpus=self.replica.num_cpus,
            num_gpus=gpus,
            calls_at_once=calls,
        )
        with StageProgress(name, total, noun) as progress:
            for result in _unit_results(outcomes):
                progress.add(result)
                self.totals.add(result)
                self._lease.check()
                if result.output_error:
                    raise OutputError(result.output_error)

    def _access(self) -> tuple[int, ChildLimits, tuple[str, ...]]:
        limits = ChildLimits(memory_bytes=self.config.memory_mb << 20, seconds_per_page=self.config.seconds_per_page)
        passwords = tuple(password.get_secret_value() for password in self.config.passwords)
        return self.config.max_file_mb << 20, limits, passwords

    def _provenance(self, recipe_id: str) -> Provenance:
        return Provenance(recipe_id, self.run_id, f"{self.replica.name}@{self.replica.revision}")

    # Publishing.

    def _publish(self, ledger: Ledger, before: Manifest, listing: plan.Listing) -> Outcome:
        work = ledger.work
        after = publish_results(work, before, self.run_id)
        looked_into = set(plan.identified_files(work)["uri"].to_pylist()) | plan_films.films_tried_again(ledger)
        failures = merged_failures(work, read_published(work.store, before, "failures"), looked_into)
        if failures is not None or not after.tables["failures"]:
            table = failures if failures is not None else read_published(work.store, before, "failures")
            after = replace_table(work.store, after, "failures", table, self.run_id)
        ledger.advance(after, WorkArea(work.store, work.generation + 1))
        assets = take_snapshot(
            ledger, listing.complete_inputs, self.recipes, self.config.tasks, self.run_id, self.config.kinds
        )
        if not before.tables["assets"] or not assets.equals(read_published(work.store, before, "assets")):
            after = replace_table(work.store, after, "assets", assets, self.run_id)
        books = balance(ledger, self.recipes, self.config.tasks, self.run_id, assets, self.config.kinds)
        runs = pa.concat_tables([read_published(work.store, before, "runs"), to_table("runs", [self._row(books)])])
        after = replace_table(work.store, after, "runs", runs, self.run_id)
        after = Manifest(self.run_id, work.generation, tables=after.tables)
        work.store.write("views.sql", resources.files("schemas").joinpath("views.sql").read_bytes())
        self._lease.check(thoroughly=True)
        save_manifest(work.store, after)
        WorkArea(work.store, work.generation + 1).clear_older()
        work.store.delete(unlisted(work.store, before, after))
        return Outcome(self.run_id, books, after, self.totals.retried_requests + RETRIES.take())

    def _row(self, books: Books) -> dict[str, Any]:
        price = self.config.price_per_replica_hour
        hours = (self.totals.busy_seconds + self.totals.idle_seconds) / 3600
        return {
            "run_id": self.run_id,
            "started_at": self.started_at,
            "finished_at": now(),
            "arguments": json.dumps(self.config.public(), ensure_ascii=False),
            "versions": list(versions().items()),
            **books.rows(),
            "input_tokens": self.totals.input_tokens,
            "output_tokens": self.totals.output_tokens,
            "busy_seconds": self.totals.busy_seconds,
            "idle_seconds": self.totals.idle_seconds,
            "cost": None if price is None else hours * price,
        }


def _say(words: str) -> None:
    sys.stderr.write(f"folioscope: {words}\n")
    sys.stderr.flush()


class _LazySession:
    """A Ray session that starts at the first stage with work, so that a run with none does not wait for it."""

    def __init__(self, config: RunConfig, replica: ReplicaDescription) -> None:
        self._session = ray_session(config.address, config.replicas * replica.num_cpus)
        self._started = False

    def start(self) -> None:
        if not self._started:
            self._session.__enter__()
            self._started = True

    def __enter__(self) -> _LazySession:
        return self

    def __exit__(self, *error: Any) -> None:
        if self._started:
            self._session.__exit__(*error)


def _unit_results(tables: Iterable[pa.Table]) -> Iterable[UnitResult]:
    for table in tables:
        for row in table.to_pylist():
            yield UnitResult(**row)
