"""Two runs on one output: the second is refused before it does anything; one that was taken for dead publishes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from folioscope.model.load import describe_replica
from folioscope.pipeline import increments
from folioscope.pipeline.config import RunConfig
from folioscope.pipeline.run import Run
from folioscope.pipeline.storage.lease import Holder, Lease, LeaseLostError, OutputBusyError
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.manifest import load_manifest

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture
def run(tmp_path: Path, make_pdf: Any) -> Run:
    make_pdf(tmp_path / "in" / "a.pdf", ["one", "two"])
    config = RunConfig(
        inputs=(str(tmp_path / "in"),), output=str(tmp_path / "out"), model="fake", layout="fast", replicas=1
    )
    return Run(config, describe_replica(config.choice))


@pytest.mark.guarantee(
    fault="two runs at once",
    moment="identify, read, understand, publish",
    outcome="the second run is refused before it writes anything, and told who holds the output",
)
def test_the_second_run_is_refused(run: Run, tmp_path: Path) -> None:
    store = OutputStore(str(tmp_path / "out"))
    other = replace(Holder.me("theirs"), pid=1, birth=running_since_boot())
    store.write("_lease/000001.json", other.to_json())
    with pytest.raises(OutputBusyError, match="theirs"):
        run.execute()
    assert store.names("") == ["_lease/000001.json"], "nothing was written"


def running_since_boot() -> str:
    return Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]


@pytest.mark.guarantee(
    fault="two runs at once",
    moment="publish",
    outcome="a run that was taken for dead and wakes publishes nothing; what it committed is used",
)
def test_a_run_that_lost_its_lease_publishes_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = OutputStore(str(tmp_path / "out"))
    real = increments.reconcile

    def asleep(*arguments: Any) -> Any:
        """A minute passes just before the manifest is written: another run takes over, and ends."""
        other = replace(Holder.me("theirs"), machine="another", released=True)
        store.write("_lease/000002.json", other.to_json())
        return real(*arguments)

    monkeypatch.setattr(increments, "reconcile", asleep)
    with pytest.raises(LeaseLostError, match="theirs"):
        run.execute()
    assert load_manifest(store).generation == 0
    monkeypatch.undo()
    again = Run(run.config, run.replica).execute()
    assert again.accounting.balanced
    assert again.accounting.segments.done + again.accounting.segments.reused == 2
    with Lease(store, "after", lambda words: None) as lease:
        lease.check(thoroughly=True)
