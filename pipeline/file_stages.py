"""The stages before a replica: files are identified, videos cut into shots, and what is said in them is heard.

They run on CPUs, each in a pool of actors of its own, while the replicas are at another increment. What they find is
committed; the driver hears counts.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pyarrow as pa

from folioscope.pipeline.block_stream import run_actors
from folioscope.pipeline.increments import Increment
from folioscope.pipeline.planning.units import block_budget, into_blocks
from folioscope.pipeline.planning.video_units import SOUNDS, SPANS
from folioscope.pipeline.progress import StageProgress
from folioscope.pipeline.ray_session import cluster_cpus
from folioscope.pipeline.session import LazySession
from folioscope.pipeline.setup import RunSetup
from folioscope.pipeline.stages.budget import Budget
from folioscope.pipeline.stages.detect_shots import ShotDetectionActor, ShotDetectionJob
from folioscope.pipeline.stages.identify import FILES_PER_BLOCK, IdentifyActor, IdentifyJob
from folioscope.pipeline.stages.results import UnitResult
from folioscope.pipeline.stages.transcribe import TranscribeActor, TranscribeJob

SPEECH_KEY = "FOLIOSCOPE_SPEECH_KEY"  # names the environment variable with a speech server's key
SPANS_PER_BLOCK = 16

Count = Callable[[UnitResult, StageProgress], None]


class FileStages:
    """Puts increments through the stages before a replica. ``planning`` is held while their ledgers are asked."""

    def __init__(
        self, setup: RunSetup, budget: Budget, session: LazySession, planning: threading.RLock, count: Count
    ) -> None:
        self._setup = setup
        self._config = setup.config
        self._budget = budget
        self._session = session
        self._planning = planning
        self._count = count

    def prepare(self, increment: Increment) -> None:
        """Look into the increment's files, cut its videos and hear what is said in them."""
        self._identify(increment)
        self._cut(increment)
        self._transcribe(increment)

    def _progress(self, stage: str, total: int, noun: str) -> StageProgress:
        config = self._config
        return StageProgress(stage, total, noun, replicas=config.replicas, price_per_hour=config.price_per_replica_hour)

    def _identify(self, increment: Increment) -> None:
        with self._planning:
            files = increment.files_to_identify()
        if not files.num_rows or self._budget.stopped:
            return
        self._session.start()
        job = IdentifyJob(
            increment.work, self._setup.run_id, self._setup.files(), self._config.kinds, self._budget.signal
        )
        budget = block_budget(files.num_rows, self._config.replicas, FILES_PER_BLOCK)
        blocks = (files.slice(start, budget) for start in range(0, files.num_rows, budget))
        workers = min(self._config.replicas, -(-files.num_rows // budget))
        with self._progress("identify", files.num_rows, "files") as progress:
            results = run_actors(blocks, IdentifyActor, job, size=workers, num_cpus=self._setup.replica.num_cpus)
            self._drain(results, progress)
        with self._planning:
            increment.resolve()

    def _cut(self, increment: Increment) -> None:
        setup = self._setup
        with self._planning:
            spans = increment.spans_to_scan()
        if setup.cut is None or not spans or self._budget.stopped:
            return
        self._session.start()
        workers = cluster_cpus()  # no replica is loaded at first: every CPU may decode
        job = ShotDetectionJob(
            increment.work,
            setup.run_id,
            setup.cut,
            self._config.seconds_per_unit,
            setup.files(),
            self._budget.signal,
        )
        budget = block_budget(len(spans), workers, SPANS_PER_BLOCK)
        rows = into_blocks(spans, budget, lambda span: 1)
        blocks = (pa.Table.from_pylist([span.to_row() for span in block], schema=SPANS) for block in rows)
        size = min(workers, -(-len(spans) // budget))
        with self._progress("detect shots", len(spans), "spans") as progress:
            self._drain(run_actors(blocks, ShotDetectionActor, job, size=size, num_cpus=1.0), progress)
        with self._planning:
            increment.resolve()

    def _transcribe(self, increment: Increment) -> None:
        setup = self._setup
        if setup.speech is None or setup.speech_recipe is None or setup.cut is None or setup.shots_recipe is None:
            return
        with self._planning:
            sounds = increment.sounds_to_transcribe()
        if not sounds or self._budget.stopped:
            return
        self._session.start()
        job = TranscribeJob(
            increment.work,
            setup.run_id,
            setup.speech,
            setup.speech_recipe,
            setup.shots_recipe,
            setup.cut.longest_s,
            os.environ.get(SPEECH_KEY) if setup.speech.kind == "endpoint" else None,
            setup.files(),
            self._budget.signal,
        )
        gpus = 1.0 if setup.replica.num_gpus and setup.speech.kind == "whisper" else 0.0
        blocks = (pa.Table.from_pylist([sound.to_row()], schema=SOUNDS) for sound in sounds)
        size = min(self._config.replicas, len(sounds))
        with self._progress("transcribe", len(sounds), "sounds") as progress:
            self._drain(run_actors(blocks, TranscribeActor, job, size=size, num_cpus=1.0, num_gpus=gpus), progress)
        with self._planning:
            increment.resolve()

    def _drain(self, results: Iterator[pa.Table], progress: StageProgress) -> None:
        for table in results:
            for row in table.to_pylist():
                self._count(UnitResult(**row), progress)
