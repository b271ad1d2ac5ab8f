"""Items put to a model until each has its prediction: what is there is kept, the rest goes to a pool of replicas.

The Ray session begins with the first item that is missing, and ends with the predictor.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from folioscope.model.choice import ModelChoice
from folioscope.model.protocol import ReplicaDescription
from folioscope.pipeline.decode.child import ChildLimits
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.pipeline.evaluation.items import Item
from folioscope.pipeline.evaluation.predictions import Prediction, PredictionStore, evaluation_id
from folioscope.pipeline.evaluation.stage import BlockCounts, EvaluationJob, run_items
from folioscope.pipeline.logs import log_info
from folioscope.pipeline.ray_session import ResourceRequest, ray_session
from folioscope.pipeline.storage.store import OutputStore

TELL_SECONDS = 30.0


class Predictor:
    """Makes predictions into one output while it is entered."""

    def __init__(self, store: OutputStore, replicas: int, address: str | None) -> None:
        self._store = store
        self._replicas = replicas
        self._address = address
        self._stack = ExitStack()
        self._started = False

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._started = False

    def predict(
        self, name: str, title: str, items: Sequence[Item], choice: ModelChoice, replica: ReplicaDescription
    ) -> tuple[str, dict[str, Prediction]]:
        """The evaluation's id, and predictions by the items' keys: those that were there, and those that are made now.

        Raises:
            SessionError, OutputError: with what to do about it.
        """
        settings = decode_settings_of(replica)
        identity = evaluation_id(name, name_of(replica), [_settings_text(replica), _text(settings)])
        predictions = PredictionStore(self._store, identity)
        done = predictions.done_keys()
        missing = [item for item in items if item.key not in done]
        if missing:
            log_info(
                f"{title}, {name_of(replica)}: {len(missing):,} of {len(items):,} items to ask", "evaluation_started"
            )
            self._start(replica)
            job = EvaluationJob(predictions, choice, settings, ChildLimits())
            _follow(run_items(missing, job, replica, self._replicas), title, len(missing))
        found = predictions.done()
        return identity, {item.key: found[item.key] for item in items if item.key in found}

    def _start(self, replica: ReplicaDescription) -> None:
        if not self._started:
            need = ResourceRequest(self._replicas, replica.num_cpus, replica.num_gpus)
            self._stack.enter_context(ray_session(self._address, need, log_info))
            self._started = True


def decode_settings_of(replica: ReplicaDescription) -> DecodeSettings:
    """As a run decodes for this replica by default."""
    return DecodeSettings(
        layout="auto" if replica.reads_layer else "fast",
        render="when_needed" if replica.reads_layer else "always",
        thumbnail_px=0,
    )


def name_of(replica: ReplicaDescription) -> str:
    return f"{replica.name}@{replica.revision}"


def _follow(counts: Iterator[BlockCounts], title: str, total: int) -> None:
    """Tell now and then how far it is."""
    done = failed = 0
    told = time.monotonic()
    for one in counts:
        done += one.done
        failed += one.failed
        if time.monotonic() - told >= TELL_SECONDS:
            log_info(f"{title}: {done + failed:,} of {total:,} items", "evaluation_progress", done=done, failed=failed)
            told = time.monotonic()
    if failed:
        log_info(f"{title}: {failed:,} items failed and count as wrong; the same command tries them again", "failed")


def _settings_text(replica: ReplicaDescription) -> str:
    return json.dumps([replica.settings, replica.video_settings], sort_keys=True)


def _text(settings: DecodeSettings) -> str:
    return json.dumps(dataclasses.asdict(settings), sort_keys=True)
