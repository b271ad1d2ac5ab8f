"""Loading a replica: what may pass is tried again, a few times; what cannot is told at once, in one line."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from botocore.exceptions import NoCredentialsError

from folioscope.model import load
from folioscope.model.kimi_vl.tiny_checkpoint import write_tiny_checkpoint
from folioscope.model.load import LOAD_TRIES, ModelChoice, ModelLoadError, UnknownModelError, load_replica


class Stumbling:
    """Raises the given errors, one a call, then loads a fake replica."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, choice: ModelChoice) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "a replica"


@pytest.mark.parametrize(
    "error", [NoCredentialsError(), aiohttp.ClientPayloadError("cut off"), PermissionError("denied")]
)
def test_a_store_that_does_not_let_look_at_a_checkpoint_is_told(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise error

    monkeypatch.setattr("folioscope.model.kimi.description.describe_kimi", refuse)
    with pytest.raises(UnknownModelError, match=f"--model s3://models/kimi: {error}"):
        load.describe_replica(CHOICE)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "LONGEST_WAIT", 0.0)


CHOICE = ModelChoice("s3://models/kimi")


def test_a_store_that_stumbles_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loading = Stumbling(ConnectionResetError("reset"), TimeoutError(), aiohttp.ClientPayloadError("cut off"))
    monkeypatch.setattr(load, "_load", loading)
    assert load_replica(CHOICE) == "a replica"  # type: ignore[comparison-overlap]
    assert loading.calls == 4


def test_one_that_stays_away_ends_in_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    loading = Stumbling(*[OSError("503\nslow down")] * 99)
    monkeypatch.setattr(load, "_load", loading)
    with pytest.raises(
        ModelLoadError, match=rf"kimi could not be .* tried {LOAD_TRIES} times \(OSError: 503 slow down\)"
    ):
        load_replica(CHOICE)
    assert loading.calls == LOAD_TRIES


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), PermissionError("no"), ValueError("not a Kimi-VL")])
def test_what_waiting_does_not_mend_is_told_at_once(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    loading = Stumbling(error)
    monkeypatch.setattr(load, "_load", loading)
    with pytest.raises(ModelLoadError, match=str(error)) as raised:
        load_replica(CHOICE)
    assert loading.calls == 1
    assert "tried" not in str(raised.value)


def test_a_torn_checkpoint_is_named(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path)
    shard = next(tmp_path.glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:1000])
    with pytest.raises(ModelLoadError, match=rf"{shard.name} is not a whole safetensors file.*Copy it again"):
        load_replica(ModelChoice(str(tmp_path)))


def test_an_example_of_the_source_is_told_from_a_model_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(load.EXAMPLES, "nano", "no_examples.nano:NanoReplica")
    with pytest.raises(UnknownModelError, match="nano is an example of Folioscope's source: run it in that folder"):
        load.describe_replica(ModelChoice("nano"))
