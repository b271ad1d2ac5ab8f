"""One run at a time on one output: the second is refused, a dead one's place is taken, a sleeper notices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from folioscope.pipeline.storage import lease as leasing
from folioscope.pipeline.storage.lease import Holder, Lease, LeaseLostError, OutputBusyError
from folioscope.pipeline.storage.processes import birth
from folioscope.pipeline.storage.store import OutputStore

BEAT = 0.2
PROJECT = Path(__file__).resolve().parents[2]
HOLD = (
    "import sys, time\n"
    "from folioscope.pipeline.storage.lease import Lease\n"
    "from folioscope.pipeline.storage.store import OutputStore\n"
    "with Lease(OutputStore(sys.argv[1]), 'theirs', print, 0.2):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(60)\n"
)


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OutputStore:
    monkeypatch.setattr(leasing, "SETTLE_SECONDS", 0.05)
    return OutputStore(str(tmp_path / "out") if request.param == "disk" else f"memory://{tmp_path.name}/out")


def lease(store: OutputStore, run_id: str = "mine") -> Lease:
    return Lease(store, run_id, lambda words: None, BEAT)


def elsewhere(store: OutputStore, number: int = 1, **changes: Any) -> Holder:
    """A lease as a run on another machine would have left it."""
    holder = replace(Holder.me("theirs"), machine="another", host="node7", pid=4711, **changes)
    store.write(f"_lease/{number:06d}.json", holder.to_json())
    return holder


def test_one_after_the_other(store: OutputStore) -> None:
    for _ in range(3):
        with lease(store) as held:
            held.check(thoroughly=True)
    assert store.names("_lease") == ["_lease/000003.json"]


def test_of_many_at_once_one_gets_it(store: OutputStore) -> None:
    got: list[str] = []
    refused: list[str] = []
    together = threading.Barrier(6)

    def contend(name: str) -> None:
        together.wait()
        try:
            with lease(store, name):
                got.append(name)
                time.sleep(10 * BEAT)  # its beats are seen by the others
        except OutputBusyError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=contend, args=(f"run{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    assert len(refused) == 5
    assert all("choose another --output" in words and got[0] in words for words in refused)


def test_a_run_elsewhere_that_shows_life_is_left_alone(store: OutputStore) -> None:
    holder = elsewhere(store)
    beat = threading.Timer(2 * BEAT, lambda: elsewhere(store, beat=1, token=holder.token))
    beat.start()
    with pytest.raises(OutputBusyError, match=r"run theirs \(host node7, process 4711\)"), lease(store):
        pass
    beat.join()


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
@pytest.mark.guarantee(
    fault="clock jumps",
    moment="identify, read, understand, publish",
    outcome="a dead run's lease ends, a living one's does not, whatever the clocks say",
)
def test_a_run_elsewhere_without_life_is_replaced_whatever_the_clock_says(
    store: OutputStore, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    elsewhere(store, number=7)
    monkeypatch.setattr(time, "time", lambda real=time.time: real() + jump)
    with lease(store) as held:
        held.check(thoroughly=True)
    assert store.names("_lease") == ["_lease/000008.json"]


def test_a_lease_given_back_meanwhile_is_not_waited_for(store: OutputStore) -> None:
    elsewhere(store, released=True)
    with lease(store) as held:
        held.check(thoroughly=True)


def test_a_half_written_lease_is_judged_by_whether_it_changes(store: OutputStore) -> None:
    store.write("_lease/000003.json", b'{"run_id": "x')
    with lease(store) as held:
        held.check(thoroughly=True)


def test_a_sleeper_whose_place_was_taken_stops(store: OutputStore) -> None:
    with lease(store) as held:
        held.check(thoroughly=True)
        elsewhere(store, number=2)
        with pytest.raises(LeaseLostError, match="node7"):
            held.check(thoroughly=True)
        with pytest.raises(LeaseLostError):
            held.check()
    assert not leasing._parse(store.read("_lease/000002.json")).released  # type: ignore[union-attr]


@pytest.mark.guarantee(
    fault="two runs at once",
    moment="identify, read, understand, publish",
    outcome="the second is refused while the first lives; a killed one's place is taken at once",
)
def test_a_killed_driver_of_this_machine_is_replaced_at_once(tmp_path: Path) -> None:
    output = str(tmp_path / "out")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, output], cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(OutputBusyError, match=f"process {other.pid}"), lease(OutputStore(output)):
        pass
    other.send_signal(signal.SIGKILL)  # and not waited for: a zombie is dead
    while birth(other.pid) is not None:
        time.sleep(0.01)
    said: list[str] = []
    with Lease(OutputStore(output), "mine", said.append) as held:  # beats of ten seconds: nothing was waited for
        held.check(thoroughly=True)
    assert said == []
    other.wait()
    other.stdout.close()
