"""Actors that cannot load their model end the run with a sentence, and are not started again."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from model.load import ModelLoadError
from pipeline.session import SessionError, run_actors


@pytest.mark.usefixtures("local_ray")
def test_a_model_that_cannot_be_loaded_ends_the_run(tmp_path: Path) -> None:
    class Unloadable:
        def __init__(self, log: str) -> None:
            with Path(log).open("a") as lines:
                lines.write("made\n")
            raise ModelLoadError("--model m could not be loaded (OSError: 503). Run it again.")

        def __call__(self, block: pa.Table) -> pa.Table:
            return block

    log = tmp_path / "log"
    blocks = [pa.table({"n": [n]}) for n in range(3)]
    with pytest.raises(SessionError, match=r"^--model m could not be loaded \(OSError: 503\)\. Run it again\.$"):
        list(run_actors(blocks, Unloadable, str(log), size=1, num_cpus=0.5))
    assert log.read_text() == "made\n"
