"""A trial on an archive of drawn pages: scripted readers of known error rates come out in their order, and it resumes."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner
from layouts import pdf
from sample_rows import asset, page, publish

from folioscope.jobs.evaluate import command
from folioscope.model.choice import ModelChoice
from folioscope.model.protocol import PageInput, Reading, ReplicaDescription, Usage
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.evaluation.trial.labels import load_labels
from folioscope.pipeline.evaluation.trial.run import UPGRADE_LIST, TrialConfig, page_scores, run_trial
from folioscope.pipeline.evaluation.trial.sample import ArchivePage, SampledPage
from folioscope.pipeline.prices import Prices
from folioscope.pipeline.storage.store import OutputStore

OCR_ERROR = 0.02
ERRORS = {"good": 0.01, "middling": 0.08, "poor": 0.25}
WORDS = (
    "meadow ferry weir river cattle fence landing ticket children gate rent salmon bridge mill autumn harvest".split()
)


class Scripted:
    """Reads a page's layer, and gets each word wrong with a known probability."""

    asked: ClassVar[Counter[str]] = Counter()

    def __init__(self, name: str) -> None:
        self._name, self._error = name, ERRORS.get(name, OCR_ERROR)

    def read(self, pages: Sequence[PageInput]) -> Iterator[Reading]:
        for one in pages:
            Scripted.asked[self._name] += 1
            assert one.layer is not None
            words = " ".join(block.text for block in one.layer.blocks).split()
            generator = random.Random(f"{self._error} {words}")
            read = ["wrong" if generator.random() < self._error else word for word in words]
            yield Reading(" ".join(read), "model", usage=Usage(100, len(read), 2.0 - 4 * self._error))


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Tables over twelve documents of four pages, half of which have a layer that the tables trust."""
    assets, segments = [], []
    for number in range(12):
        generator = random.Random(number)
        texts = ["\n".join(" ".join(generator.choices(WORDS, k=5)) for _ in range(7)) for _ in range(4)]
        path = pdf(tmp_path / f"folder-{number % 2}" / f"{number}.pdf", texts)
        status = path.stat()
        name = f"{number:x}".ljust(64, "0")
        etag = f"{status.st_size}-{status.st_mtime_ns}"
        assets.append(asset(str(path), name, page_count=4, etag=etag, size=status.st_size))
        source = "text_layer" if number % 2 else "model"
        for place, text in enumerate(texts, start=1):
            segments.append(page(name, place, text=text.replace("\n", " "), text_source=source, model="embedded@9"))
    publish(tmp_path / "tables", {"assets": assets, "segments": segments})
    return tmp_path / "tables"


@pytest.fixture(autouse=True)
def scripted(inline_actors: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def described(choice: ModelChoice) -> ReplicaDescription:
        return ReplicaDescription(choice.name, "1", False, {}, {})

    monkeypatch.setattr("folioscope.pipeline.evaluation.trial.run.describe_replica", described)
    monkeypatch.setattr("folioscope.pipeline.evaluation.stage.load_replica", lambda choice: Scripted(choice.name))
    Scripted.asked.clear()


def config(archive: Path, **more: object) -> TrialConfig:
    choices = tuple(ModelChoice(name) for name in ERRORS)
    prices = (Prices(36.0), Prices(3.6), Prices(0.36))
    return TrialConfig(str(archive.parent / "trial"), str(archive), choices, prices, **more)  # type: ignore[arg-type]


def test_readers_come_out_in_their_order_with_price_and_time(archive: Path) -> None:
    trial = run_trial(config(archive, pages=40))
    quality = [one.quality.value for one in trial.replicas]
    assert quality == sorted(quality, reverse=True)
    assert trial.replicas[0].quality.value == pytest.approx(0.96, abs=0.05)
    assert len(trial.items) == 40
    assert 15 <= trial.by_layer <= 25
    first = trial.replicas[0]
    assert first.seconds_per_page.value == pytest.approx(1.96)
    assert first.hours.value == pytest.approx(48 * 1.96 / 3600)
    assert first.cost_per_1000_pages is not None
    assert first.cost_per_1000_pages.value == pytest.approx(1000 * 1.96 * 36 / 3600)
    assert {route.replica for route in trial.routes} == {"good@1"}, "no cheaper one is as good"


def test_a_trial_goes_on_from_what_is_read(archive: Path) -> None:
    run_trial(config(archive, pages=20))
    asked = Counter(Scripted.asked)
    assert {name: asked[name] for name in ERRORS} == dict.fromkeys(ERRORS, 20)
    assert asked["embedded"] == 10, "OCR reads the pages whose words nobody knows"
    run_trial(config(archive, pages=20))
    assert Scripted.asked == asked


def test_where_readers_differ_the_reference_reader_tells() -> None:
    page = ArchivePage("a", "a.pdf", "e", 1, 1, "no_layer", "no_layer")
    drawn = [SampledPage(page, "", "who else", None)]
    texts = {"one": {"a-1": "the weir was rebuilt"}, "other": {"a-1": "the weir is gone"}}
    without = page_scores(drawn, ["a-1"], texts)
    assert without["one"] == without["other"]
    checked = page_scores(drawn, ["a-1"], texts, {"a-1": "the weir was rebuilt"})
    assert checked["one"] > checked["other"]


def test_a_file_that_changed_is_told_and_counts_as_failed(archive: Path) -> None:
    [path] = archive.parent.glob("folder-0/0.pdf")
    path.write_bytes(path.read_bytes() + b"\n")
    trial = run_trial(config(archive, pages=48))
    assert [one.failed for one in trial.replicas] == [4, 4, 4]


def test_an_upgrade_lists_the_files_whose_pages_change(archive: Path) -> None:
    trial = run_trial(config(archive, pages=48, upgrade=0.5))
    assert trial.upgrade is not None
    assert trial.upgrade.pages + trial.upgrade.rest == 48
    listed = OutputStore(str(archive.parent / "trial")).read(UPGRADE_LIST).decode().splitlines()
    expected = {one.uri for one in trial.sample.archive if one.stratum in trial.upgrade.strata}
    assert set(listed) == expected


def test_labels_tell_what_people_prefer(archive: Path) -> None:
    trial = run_trial(config(archive, pages=20))
    told = [
        {"item": item.item_id, "left": "poor@1", "right": "good@1", "better": "right" if number else "both_wrong"}
        for number, item in enumerate(trial.items)
    ]
    labels = archive.parent / "labels.jsonl"
    labels.write_text("".join(f"{json.dumps(one)}\n" for one in [*told, {**told[0], "item": "another trial's"}]))
    [preference] = run_trial(config(archive, pages=20, labels=labels)).preferences
    assert (preference.first, preference.second, preference.pages) == ("good@1", "poor@1", 20)
    assert (preference.first_better, preference.second_better, preference.both_wrong) == (19, 0, 1)
    assert preference.share.low > 0.5


def test_a_bad_label_is_told_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text('{"item": "a", "left": "x", "right": "y", "better": "left"}\n{"item": "a", "better": "up"}\n')
    with pytest.raises(ConfigError, match="line 2"):
        load_labels(path)


def test_the_command_prints_a_table_and_writes_a_page(archive: Path) -> None:
    output = archive.parent / "trial"
    models = [word for name in ERRORS for word in ("--model", name)]
    arguments = [str(output), "--trial", str(archive), "--pages", "16", "--upgrade", "20%", *models]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 0, done.output
    assert "good@1" in done.output
    assert "pages again" in done.output
    html = (output / "trial.html").read_text()
    assert html.count('<section class="case"') > 5
    assert "http" not in html.replace("http-equiv", ""), "it needs nothing from elsewhere"
    refused = CliRunner().invoke(command, [*arguments[:3], "--upgrade", "120%", *models])
    assert isinstance(refused.exception, ConfigError | SystemExit)
