"""A model that cannot read is found out before and during its work; one that can is left alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from examples.nano.lines import cut_page
from examples.nano.replica import FOLDER as NANO_FOLDER
from examples.nano.replica import NanoReplica
from examples.nano.words import READ as NANO_READ
from folioscope.model.canary import FOLDER, CanaryPage, canary_pages, character_error
from folioscope.model.choice import ModelChoice
from folioscope.model.dialects.kimi_vl import KimiVlDialect
from folioscope.model.engine.interface import Completion, Sampling, complete_in_order
from folioscope.model.engine.torch_engine import TorchEngine
from folioscope.model.kimi.loading import make_engine
from folioscope.model.kimi.replica import KimiReplica
from folioscope.model.kimi.token_conversation import TokenConversation
from folioscope.model.kimi.variants import INSTRUCT
from folioscope.model.kimi_vl import KimiVLProcessor
from folioscope.model.kimi_vl.tiny_checkpoint import write_tiny_checkpoint
from folioscope.model.protocol import Reading, SegmentInput, UnavailableError
from folioscope.pipeline.stages import canary as watching
from folioscope.pipeline.stages.budget import StopSignal
from folioscope.pipeline.stages.canary import Canary, CanaryJob, DoubtfulReadingError, StopRecords, told
from folioscope.pipeline.storage.store import OutputStore


class EndedError(Exception):
    """In the place of the end of the process."""


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    words: list[str] = []

    def end(last_words: str) -> None:
        words.append(last_words)
        raise EndedError(last_words)

    monkeypatch.setattr(watching, "end_process", end)
    return words


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """A replica that reads canary pages as a test's script says, by the number of the reading."""

    def __init__(self, script: Callable[[int, CanaryPage], str | Exception]) -> None:
        self._script = script
        self.reads = 0

    def read(self, segments: Sequence[SegmentInput]) -> Iterator[Reading | Exception]:
        known = {id(page.page): page for page in canary_pages()}
        for segment in segments:
            said = self._script(self.reads, known[id(segment)])
            self.reads += 1
            yield said if isinstance(said, Exception) else Reading(said, "model")


def job(folder: Path, minutes: float = 5.0, limit: float = 0.3) -> CanaryJob:
    store = OutputStore(str(folder))
    return CanaryJob(minutes, limit, 600.0, StopRecords(store, "run"), StopSignal(store, "run"))


def canary(folder: Path, replica: object, clock: Clock | None = None, **settings: float) -> Canary:
    return Canary(job(folder, **settings), replica, clock or Clock())  # type: ignore[arg-type]


def rightly(_: int, page: CanaryPage) -> str:
    return page.text


def test_the_packaged_pages_are_two_of_some_letters_and_differ() -> None:
    pages = canary_pages()
    assert [page.name for page in pages] == ["harbour", "mill"]
    assert all(len(page.text) > 100 and page.page.image is not None for page in pages)
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 40_000


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("{0}", 0, 0),
        ("# {0}\n", 0, 0),
        ("**{0}**", 0, 0),
        ("!" * 200, 0.9, 1),
        ("", 1, 1),
        ("The The The The The The The The The", 0.7, 1),
        ("{0} {0}", 0.9, 1),
    ],
)
def test_letters_are_compared_and_markup_is_not(said: str, least: float, most: float) -> None:
    page = canary_pages()[0]
    error = character_error(page, Reading(said.format(page.text.upper()), "model"))
    assert least <= error <= most


def test_a_healthy_model_is_tried_when_it_is_due_and_never_stopped(tmp_path: Path) -> None:
    clock, replica = Clock(), Scripted(rightly)
    watched = canary(tmp_path, replica, clock)
    for minutes in range(60):
        clock.now = 100.0 + 60 * minutes
        watched.check()
    assert replica.reads == watched.reads == 24, "two pages, twelve times"
    assert watched.pages() == ()


def test_one_odd_reading_is_tried_again_before_anyone_is_stopped(tmp_path: Path) -> None:
    replica = Scripted(lambda number, page: "!!!!" if number == 1 else page.text)
    watched = canary(tmp_path, replica)
    watched.check()
    assert replica.reads == 4
    assert not watched.due


def test_three_stopped_actors_stop_the_run_and_say_what_they_read(tmp_path: Path, ended: list[str]) -> None:
    its = job(tmp_path)
    for number in range(1, 4):
        assert not its.stop.is_set()
        with pytest.raises(EndedError):
            canary(tmp_path, Scripted(lambda *_: "!!!!!!!!")).check()
        assert len(its.records.all()) == number
    assert its.stop.is_set()
    assert all("!!!!!!!!" in words and "100% of the letters wrong" in words for words in ended)
    assert "3 actors could not read a page of known text" in told(its.records.all())
    its.records.clear()
    assert its.records.all() == []


def test_a_model_that_raises_over_plain_print_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(EndedError, match="nan in the logits"):
        canary(tmp_path, Scripted(lambda *_: ValueError("nan in the logits"))).check()


def test_a_server_that_is_down_is_not_judged_and_tried_again_soon(tmp_path: Path) -> None:
    clock = Clock()
    replica = Scripted(lambda number, page: UnavailableError("down") if number < 2 else page.text)
    watched = canary(tmp_path, replica, clock)
    watched.check()
    assert not watched.due
    clock.now += watching.RETRY_SECONDS
    assert watched.due
    watched.check()
    assert replica.reads == 4


def test_among_real_pages_a_wrong_one_asks_for_a_second_look(tmp_path: Path) -> None:
    clock, replica = Clock(), Scripted(rightly)
    watched = canary(tmp_path, replica, clock)
    watched.check()
    clock.now += 300
    pages = watched.pages()
    assert pages == canary_pages()
    assert watched.pages() == (), "they are under way"
    watched.take(pages[0], Reading(pages[0].text, "model"))
    with pytest.raises(DoubtfulReadingError):
        watched.take(pages[1], Reading("rubbish", "model"))
    assert watched.due
    watched.check()
    assert not watched.due


def test_what_was_committed_since_the_last_good_reading_is_told(tmp_path: Path) -> None:
    clock = Clock()
    watched = canary(tmp_path, Scripted(lambda number, page: page.text if number < 2 else "eeeeee"), clock)
    watched.check()
    clock.now += 300
    with pytest.raises(EndedError, match=r"what it committed since .* is doubtful"):
        watched.check()
    [stopped] = job(tmp_path).records.all()
    assert stopped.committed_since is not None
    assert f"Pages read from {stopped.committed_since} on may be wrong" in told([stopped])


def test_nothing_is_due_where_it_is_turned_off() -> None:
    watched = Canary(None, Scripted(rightly))  # type: ignore[arg-type]
    assert not watched.due
    watched.check()
    assert watched.pages() == ()


# Models that are broken in ways that raise no error.


@pytest.fixture(scope="module")
def nano() -> NanoReplica:
    return NanoReplica(ModelChoice("nano", engine="torch"))


def broken(nano: NanoReplica, change: Callable[[torch.nn.Module], torch.nn.Module]) -> NanoReplica:
    """A nano replica whose model is changed."""
    fresh = NanoReplica(ModelChoice("nano", engine="torch"))
    engine = fresh.engine
    assert isinstance(engine, TorchEngine)
    fresh.engine = TorchEngine(change(engine._model), engine._settings)  # type: ignore[arg-type]
    return fresh


def is_stopped(folder: Path, replica: object) -> bool:
    try:
        canary(folder, replica).check()
    except EndedError:
        return True
    return False


def test_the_nano_model_reads_them_without_a_wrong_letter(tmp_path: Path, nano: NanoReplica) -> None:
    found = list(nano.read([page.page for page in canary_pages()]))
    assert [character_error(page, reading) for page, reading in zip(canary_pages(), found, strict=True)] == [0, 0]
    assert not is_stopped(tmp_path, nano)


def test_weights_that_were_never_trained_are_found_out(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    write_tiny_checkpoint(folder)
    engine, context = make_engine(str(folder), ModelChoice("tiny", engine="torch"))
    conversation = TokenConversation(KimiVLProcessor.from_pretrained(folder))
    briefly = replace(INSTRUCT, read=Sampling(24))  # it never ends by itself
    assert is_stopped(tmp_path / "out", KimiReplica(engine, conversation, KimiVlDialect(), briefly, context))


@pytest.mark.slow
def test_shifted_token_ids_are_found_out(tmp_path: Path, nano: NanoReplica) -> None:
    def shift(model: torch.nn.Module) -> torch.nn.Module:
        head = model.get_output_embeddings()  # type: ignore[operator]
        with torch.no_grad():
            head.weight.copy_(head.weight.roll(1, 0))
        return model

    assert is_stopped(tmp_path, broken(nano, shift))


@pytest.mark.slow
def test_a_wrong_chat_template_is_found_out(tmp_path: Path) -> None:
    folder = tmp_path / "nano"
    shutil.copytree(NANO_FOLDER, folder)
    template = (folder / "chat_template.jinja").read_text()
    wrong = template.replace("<|im_middle|>", "\\n").replace("<|im_end|>", "\\n").replace("<|im_assistant|>", "")
    (folder / "chat_template.jinja").write_text(wrong)
    assert is_stopped(tmp_path / "out", NanoReplica(ModelChoice("nano", engine="torch"), folder))


@pytest.mark.slow
def test_an_overflow_in_float16_is_found_out(tmp_path: Path, nano: NanoReplica) -> None:
    """Values beyond 65,504 between two projections, which float32 holds and float16 does not."""

    def scaled(model: torch.nn.Module) -> torch.nn.Module:
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name.endswith("up_proj.weight"):
                    weight.mul_(2.0**20)
                if name.endswith("down_proj.weight"):
                    weight.mul_(2.0**-20)
        return model

    assert not is_stopped(tmp_path / "single", broken(nano, scaled))
    assert is_stopped(tmp_path / "half", broken(nano, lambda model: scaled(model).to(torch.float16)))


class Degenerating:
    """An engine that writes ``!!!!`` from one of its completions on."""

    def __init__(self, replica: NanoReplica, after: int) -> None:
        self._engine = replica.engine
        self._bang = replica._conversation._tokenizer.encode_text("!")[0]
        self._left = after

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def step(self) -> list[Completion]:
        done = self._engine.step()
        self._left -= len(done)
        return done if self._left >= 0 else [replace(one, ids=(self._bang,) * 64) for one in done]


@pytest.mark.parametrize("after", [0, pytest.param(6, marks=pytest.mark.slow)])
def test_an_engine_that_writes_bangs_is_found_out_at_once_or_when_it_begins_to(
    tmp_path: Path, nano: NanoReplica, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(nano, "engine", Degenerating(nano, after))
    clock = Clock()
    watched = canary(tmp_path, nano, clock)
    if after:
        watched.check()
        clock.now += 300
    with pytest.raises(EndedError, match="!!!!"):
        watched.check()
    [stopped] = job(tmp_path).records.all()
    assert (stopped.committed_since is not None) == bool(after)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_healthy_replica_is_not_stopped_in_a_thousand_readings(tmp_path: Path, nano: NanoReplica) -> None:
    """Hundreds at once, as an engine takes them: what else is in a batch must not turn a letter."""
    watched = canary(tmp_path, nano, limit=0.0)
    known = {page.name: cut_page(page.page.image) for page in canary_pages() if page.page.image is not None}
    for _ in range(10):
        asked = [(page, cut) for _ in range(50) for page in canary_pages() for cut in known[page.name].cuts]
        requests = [nano._request(cut.image, NANO_READ, 64 * (cut.last - cut.first + 1)) for _, cut in asked]
        found = iter(complete_in_order(nano.engine, requests))
        for _ in range(50):
            for page in canary_pages():
                reading = nano._reading(known[page.name], [next(found) for _ in known[page.name].cuts], 0.0)
                watched.take(page, reading)
    assert watched.reads == 1000
    assert job(tmp_path).records.all() == []
