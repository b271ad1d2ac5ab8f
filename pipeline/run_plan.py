"""A run's plan: made once, over all files listed, and handed out as increments.

It stands in a database that may spill to this machine's disk. Files with work are handed out some thousands at a time,
about as many as are done in ``increment_seconds``; files without work, and all that concerns the listing as a whole
(deleted files, inputs that could not be listed), belong to the last increment. A small run has one. Files that are at
rest (``at_rest.py``) are only counted.
"""

from __future__ import annotations

import pyarrow as pa

from folioscope.pipeline.advice import idle_listing, idle_settings
from folioscope.pipeline.increments import Increment
from folioscope.pipeline.logs import log_warning
from folioscope.pipeline.planning import at_rest
from folioscope.pipeline.planning import files as plan
from folioscope.pipeline.planning.estimate import Estimate, estimate
from folioscope.pipeline.planning.listing import Listing, register_files, register_listing
from folioscope.pipeline.planning.sample import PageSampler
from folioscope.pipeline.setup import RunSetup
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.pipeline.tables.manifest import Manifest
from folioscope.pipeline.tables.problems import Problems, problems_of
from folioscope.pipeline.tables.takeover import CountedCommits
from folioscope.pipeline.tables.work import WorkArea, generations

FIRST_FILES = 4096  # how fast it goes is not yet known, and somebody waits for the first rows
FEWEST_FILES = 512


class RunPlan:
    """What a run has to do. Close it when done."""

    def __init__(
        self,
        setup: RunSetup,
        store: OutputStore,
        manifest: Manifest,
        listing: Listing,
        counted: CountedCommits,
        sampler: PageSampler | None = None,
    ) -> None:
        """``counted``: the commits that count.

        ``sampler`` looks into a few files where nothing published can tell how many pages are coming.
        """
        self.setup = setup
        self._store = store
        self._listing = listing
        self._generation = max([manifest.generation + 1, *generations(store)])
        self._counted = counted
        self._ledger = Ledger(manifest, WorkArea(store, self._generation), setup.config.reasons_to_retry, counted)
        register_listing(self._ledger, listing)
        self._ledger.db.execute("CREATE TABLE files_given (uri VARCHAR)")
        self._ledger.db.execute("CREATE TABLE counted_so_far (asset_id VARCHAR, question_id VARCHAR)")
        at_rest.mark_at_rest(self._ledger, setup.config, setup.recipes)
        self._plan_files(self._ledger)
        for words in (
            *idle_settings(setup.config, setup.replica),
            *idle_listing(self._ledger, listing.facts, setup.config),
        ):
            log_warning(words)
        self.estimate: Estimate = estimate(
            self._ledger, self._listing, setup.config, setup.recipes, setup.model, sampler
        )
        self._given = self._given_before = 0
        self._size = min(FIRST_FILES, setup.config.increment_files)
        self._ended = False

    def close(self) -> None:
        self._ledger.close()

    def problems(self, manifest: Manifest) -> Problems:
        """What stands undone of the files listed, once the last increment is published."""
        ledger = self._ledger
        ledger.forget_retries()
        ledger.begin_anew(manifest, self._next_work())
        ledger.db.execute("CREATE OR REPLACE VIEW listed AS SELECT * FROM listing")
        return problems_of(ledger, self.setup.config.kinds, self.setup.recipes.ids)

    def _plan_files(self, ledger: Ledger) -> None:
        config = self.setup.config
        plan.mark_files_to_identify(
            ledger,
            kinds=config.kinds,
            passwords_given=bool(config.passwords),
            listening="audio" in config.kinds,
            retry=config.reasons_to_retry,
        )
        self.setup.resolve(ledger)

    def next(self, manifest: Manifest) -> Increment | None:
        """The next increment, to be published on top of ``manifest``; None where the last one has been given."""
        if self._ended:
            return None
        if self._given == 0:
            plan.mark_work(self._ledger, self.setup.config)
        left = self._ledger.query("SELECT count(*) AS n FROM work_files WHERE position >= $1", [self._given])
        wanted = max(self._size, self._pending())
        self._given_before = self._given
        self._ended = left["n"][0].as_py() <= wanted
        ledger = self._last(manifest) if self._ended else self._some(manifest, wanted)
        self._given += wanted
        return Increment(self.setup, ledger, self._listing, self.counted, last=self._ended)

    def _pending(self) -> int:
        """How many files an unfinished run has committed something of: they come first, and together."""
        if self._given:
            return 0
        return int(self._ledger.query("SELECT count(*) AS n FROM work_files WHERE pending")["n"][0].as_py())

    def _some(self, manifest: Manifest, count: int) -> Ledger:
        rows = self._ledger.query(
            """
            WITH chosen AS (
                SELECT uri FROM work_files WHERE position >= $1 AND position < $2
            ),
            -- A video and its sidecars are read together.
            together AS (
                SELECT uri FROM chosen
                UNION SELECT uri FROM sidecars_listed WHERE video IN (FROM chosen)
                UNION SELECT video FROM sidecars_listed WHERE uri IN (FROM chosen)
            )
            SELECT listed.* FROM listed SEMI JOIN together USING (uri) ANTI JOIN files_given USING (uri) ORDER BY uri
            """,
            [self._given, self._given + count],
        )
        self._ledger.db.register("giving", rows)
        self._ledger.db.execute("INSERT INTO files_given SELECT uri FROM giving")
        counted = self._counted if self._given == 0 else self._counted.own
        ledger = Ledger(manifest, self._next_work(), self.setup.config.reasons_to_retry, counted)
        register_files(ledger, rows)
        self._plan_files(ledger)
        return ledger

    def _last(self, manifest: Manifest) -> Ledger:
        if self._given:
            self._ledger.begin_anew(manifest, self._next_work())
            at_rest.wake(self._ledger)
            self._plan_files(self._ledger)
        return self._ledger

    def _next_work(self) -> WorkArea:
        work = WorkArea(self._store, self._generation)
        self._generation += 1
        return work

    def counted(self, increment: Increment) -> pa.Table:
        """(asset_id, question_id) of this increment's content that an earlier one counted."""
        if self._ended and not self._given_before:  # the only one: its content need not leave its database
            return self._ledger.query("SELECT * FROM counted_so_far")
        self._ledger.db.register("content_now", increment.content())
        return self._ledger.query("SELECT counted_so_far.* FROM counted_so_far SEMI JOIN content_now USING (asset_id)")

    def count(self, increment: Increment) -> None:
        """Note what an increment that is published has counted."""
        self._ledger.db.register("counted_now", increment.counted())
        self._ledger.db.execute("INSERT INTO counted_so_far SELECT * FROM counted_now")

    def take_back(self, files: pa.Table) -> None:
        """Files that an increment leaves, since another is at their content: they belong to the last one."""
        self._ledger.db.register("taken_back", files)
        self._ledger.db.execute("DELETE FROM files_given WHERE uri IN (SELECT uri FROM taken_back)")

    def set_pace(self, files: int, seconds: float) -> None:
        """What an increment took; the next is to take as long as it should."""
        config = self.setup.config
        fitting = int(files / max(seconds, 0.01) * config.increment_seconds)
        self._size = max(min(FEWEST_FILES, config.increment_files), min(config.increment_files, fitting))
