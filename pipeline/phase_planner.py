"""From an increment to the blocks of one of its phases: how much work goes to an actor at once, and what is counted.

A block's results come back together, so that large blocks cost the driver less, and small ones let a run with a budget
stop close to it.
"""

from __future__ import annotations

from folioscope.pipeline.increments import Increment
from folioscope.pipeline.phases import Phase
from folioscope.pipeline.planning.units import block_budget, into_blocks
from folioscope.pipeline.progress import StageProgress
from folioscope.pipeline.setup import RunSetup
from folioscope.pipeline.stages.replica import BlockKind, read_block, understand_block
from folioscope.pipeline.stages.results import UnitResult

PAGES_PER_BLOCK = 128
QUICK_PAGES_PER_BLOCK = 512  # of a few milliseconds each: what a block costs would show
DOCUMENTS_PER_BLOCK = 64
SPANS_PER_BLOCK = 16
UNITS_PER_BLOCK_LIMITED = 4  # a run with a budget oversteps it by a block a replica: blocks are small then


class PhasePlanner:
    """Plans the phases of a run's increments."""

    def __init__(self, setup: RunSetup) -> None:
        self._setup = setup
        self._config = setup.config

    def plan(self, increment: Increment, kind: BlockKind) -> Phase:
        """What is missing of one stage of an increment, in blocks, the first to be done first."""
        return self._reading(increment) if kind == "read" else self._understanding(increment)

    def _reading(self, increment: Increment) -> Phase:
        per_unit = self._config.pages_per_unit
        units = increment.units_to_read()
        pages = sum(unit.pages for unit in units)
        budget = block_budget(pages, self._config.replicas, self._pages_per_block(per_unit))
        blocks = into_blocks(units, budget, lambda unit: unit.pages)
        noun = self._config.segment_noun
        generation = increment.work.generation
        return Phase(
            "read",
            UnitResult(deferred=pages),
            (read_block(block, generation) for block in blocks),
            self._progress("read", pages, noun),
        )

    def _understanding(self, increment: Increment) -> Phase:
        documents = increment.documents_to_understand()
        planned = UnitResult(
            deferred=sum(document.tasks for document in documents),
            deferred_summaries=sum(document.summary_wanted for document in documents),
        )
        most = UNITS_PER_BLOCK_LIMITED if self._config.limited else DOCUMENTS_PER_BLOCK
        blocks = into_blocks(documents, block_budget(len(documents), self._config.replicas, most), lambda document: 1)
        generation = increment.work.generation
        return Phase(
            "understand",
            planned,
            (understand_block(block, generation) for block in blocks),
            self._progress("understand", planned.deferred, "tasks"),
        )

    def _pages_per_block(self, per_unit: int) -> int:
        """Few where pages take long or the run may stop: the driver hears of a block when all of it is read."""
        if self._config.limited:
            return min(UNITS_PER_BLOCK_LIMITED * per_unit, PAGES_PER_BLOCK)
        settings = self._setup.settings
        quick = settings.layout == "fast" and settings.render == "when_needed" and self._setup.cut is None
        return QUICK_PAGES_PER_BLOCK if quick else PAGES_PER_BLOCK

    def _progress(self, stage: str, total: int, noun: str) -> StageProgress:
        config = self._config
        return StageProgress(stage, total, noun, replicas=config.replicas, price_per_hour=config.price_per_replica_hour)
