"""What a run takes over from runs that died before it: commits that were there when it began, and none that come later.

An actor can outlive its driver and commit once more while the next run is at the same pages. So each run first notes,
in one file of the work area, the commits of dead runs that count; beside those only its own do. Whoever comes after it
goes by that note. Costs a run two requests beside the listing of the work area.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.commits import read_records, retract_retryable
from folioscope.pipeline.tables.work import WORK, WorkArea

NOTE = f"{WORK}/takeover.json"


@dataclass(frozen=True, slots=True)
class CountedCommits:
    """Whose commits count: those of ``run_id``, and these ``inherited`` records of runs before it."""

    run_id: str
    inherited: tuple[str, ...] = ()

    @property
    def own(self) -> CountedCommits:
        return CountedCommits(self.run_id)


def take_over(store: OutputStore, published: int, run_id: str) -> CountedCommits:
    """Clear the work of generations up to ``published`` away, and note which commits of earlier runs count from now on.

    Verdicts that a run's death may have caused are taken back. For a run that holds the lease.

    Raises:
        OutputError: the output cannot be written.
    """
    WorkArea(store, published + 1).clear_older()
    counted = inherited_commits(store, published, run_id)
    store.write(NOTE, json.dumps({"run_id": run_id, "inherited": counted.inherited}).encode())
    retract_retryable(store, read_records(store, counted.inherited))
    return counted


def inherited_commits(store: OutputStore, published: int, run_id: str) -> CountedCommits:
    """What a run that began now would take over; writes nothing."""
    before = _noted(store)
    known = set(before.inherited) if before else set()

    def counts(name: str) -> bool:
        _, generation, kind, *_ = name.split("/")
        alive = kind == "commits" and int(generation) > published
        return alive and (before is None or name in known or f"/commits/{before.run_id}/" in name)

    return CountedCommits(run_id, tuple(name for name in store.names(WORK) if name.count("/") > 3 and counts(name)))


def _noted(store: OutputStore) -> CountedCommits | None:
    """None in an output that no run of this version or later has worked on."""
    try:
        values = json.loads(store.read(NOTE))
    except FileNotFoundError:
        return None
    return CountedCommits(values["run_id"], tuple(values["inherited"]))
