"""An evaluation from folder to tables: asked once, resumed, judged, scored, with failures told and counted as wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from layouts import LAYOUTS, make_choice, make_mmvet, make_ocrbench

from folioscope.model.choice import ModelChoice
from folioscope.model.completing import ModelPrompt, ModelReply
from folioscope.model.fake import FakeReplica
from folioscope.pipeline.evaluation.evaluate import EvaluationConfig, chosen_items, evaluate
from folioscope.pipeline.evaluation.items import Item, Text
from folioscope.pipeline.evaluation.page import write_page
from folioscope.pipeline.evaluation.publishing import Evaluation, read_evaluations
from folioscope.pipeline.evaluation.stage import EvaluationActor
from folioscope.pipeline.storage.store import OutputStore

FAKE = ModelChoice("fake")


def config(
    output: Path, folder: Path, *names: str, models: Sequence[ModelChoice] = (FAKE,), **more: object
) -> EvaluationConfig:
    return EvaluationConfig(str(output), dict.fromkeys(names, folder), tuple(models), **more)  # type: ignore[arg-type]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts of the prompts that the fake replica was given."""
    told: list[str] = []
    complete = FakeReplica.complete

    def noting(self, prompts):  # type: ignore[no-untyped-def]
        def noted():  # type: ignore[no-untyped-def]
            for prompt in prompts:
                if prompt is not None:
                    told.append(" ".join(one for one in prompt.items if isinstance(one, str)))
                yield prompt

        return complete(self, noted())

    monkeypatch.setattr(FakeReplica, "complete", noting)
    return told


def scores(evaluation: Evaluation) -> dict[str, float]:
    return {one.item.item_id: one.score for one in evaluation.scored}


def test_tables_hold_scores_and_items(inline_actors: None, tmp_path: Path) -> None:
    make_choice("MMStar.tsv")(tmp_path / "data")
    [evaluation] = evaluate(config(tmp_path / "out", tmp_path / "data", "mmstar"))
    store = OutputStore(str(tmp_path / "out"))
    [row] = read_evaluations(store, "evaluations").to_pylist()
    items = read_evaluations(store, "evaluation_items").to_pylist()
    assert (row["benchmark"], row["model"], row["items"], row["failed"]) == ("mmstar", "fake@1", 4, 0)
    assert row["score"] == pytest.approx(100 * sum(one["score"] for one in items) / 4)
    assert row["low"] <= row["score"] <= row["high"]
    assert row["published"] == 61.3
    assert row["verdict"] == evaluation.verdict
    assert row["scored_by"] == "rule"
    assert "exact-matching" in row["rule"]
    assert {one["prediction"] for one in items} <= set("ABCD")
    assert all(one["golds"] in (["A"], ["B"]) for one in items)


def test_what_is_predicted_is_not_asked_again(inline_actors: None, asked: list[str], tmp_path: Path) -> None:
    make_choice("MMStar.tsv")(tmp_path / "data")
    [first] = evaluate(config(tmp_path / "out", tmp_path / "data", "mmstar", limit=2))
    assert len(asked) == len(first.scored) == 2
    [second] = evaluate(config(tmp_path / "out", tmp_path / "data", "mmstar"))
    assert len(asked) == 4
    assert len(set(asked)) == 4
    assert scores(second).items() >= scores(first).items()
    evaluate(config(tmp_path / "out", tmp_path / "data", "mmstar"))
    assert len(asked) == 4


def test_a_changed_question_is_asked_anew(inline_actors: None, asked: list[str], tmp_path: Path) -> None:
    make_ocrbench(tmp_path / "data")
    evaluate(config(tmp_path / "out", tmp_path / "data", "ocrbench"))
    path = tmp_path / "data/OCRBench/OCRBench.json"
    path.write_text(path.read_text().replace("Read the text.", "Read the words.", 1))
    evaluate(config(tmp_path / "out", tmp_path / "data", "ocrbench"))
    assert len(asked) == 5
    assert "Read the words." in asked[-1]


def test_a_broken_off_evaluation_goes_on(
    inline_actors: None, asked: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_ocrbench(tmp_path / "data")
    calls = EvaluationActor.__call__
    count = iter(range(100))

    def dying(self: EvaluationActor, block: object) -> object:
        if next(count) == 1:
            raise KeyboardInterrupt
        return calls(self, block)  # type: ignore[arg-type]

    monkeypatch.setattr(EvaluationActor, "__call__", dying)
    with pytest.raises(KeyboardInterrupt):
        evaluate(config(tmp_path / "out", tmp_path / "data", "ocrbench"))
    before = len(asked)
    assert 0 < before < 4
    [evaluation] = evaluate(config(tmp_path / "out", tmp_path / "data", "ocrbench"))
    assert len(asked) == 4
    [whole] = evaluate(config(tmp_path / "other", tmp_path / "data", "ocrbench"))
    assert scores(evaluation) == scores(whole)
    assert evaluation.result == whole.result


def test_an_item_that_cannot_be_shown_fails_alone(inline_actors: None, asked: list[str], tmp_path: Path) -> None:
    make_ocrbench(tmp_path / "data")
    (tmp_path / "data/OCRBench_Images/2.png").write_bytes(b"no picture")
    [evaluation] = evaluate(config(tmp_path / "out", tmp_path / "data", "ocrbench"))
    [failed] = [one for one in evaluation.scored if one.error]
    assert failed.item.item_id == "2"
    assert "2.png" in (failed.error or "")
    assert (evaluation.failed, failed.score, failed.prediction, len(asked)) == (1, 0.0, None, 3)
    from layouts import png

    (tmp_path / "data/OCRBench_Images/2.png").write_bytes(png("weir"))
    [mended] = evaluate(config(tmp_path / "out", tmp_path / "data", "ocrbench"))
    assert (mended.failed, len(asked)) == (0, 4)


def test_pages_that_fail_do_not_pass_tests_of_what_must_be_absent(inline_actors: None, tmp_path: Path) -> None:
    LAYOUTS["olmocr-bench"](tmp_path / "data")
    (tmp_path / "data/pdfs/old/a.pdf").write_bytes(b"%PDF-1.4 broken")
    [evaluation] = evaluate(config(tmp_path / "out", tmp_path / "data", "olmocr-bench"))
    assert evaluation.failed == 2
    assert evaluation.result.score.value == 0.0


def test_pages_are_read_as_a_run_reads_them(inline_actors: None, tmp_path: Path) -> None:
    LAYOUTS["olmocr-bench"](tmp_path / "data")
    [evaluation] = evaluate(config(tmp_path / "out", tmp_path / "data", "olmocr-bench"))
    assert evaluation.result.score.value == 100.0
    assert evaluation.result.measures["type:math"] == 0.0
    first = evaluation.scored[0]
    assert first.prediction is not None
    assert "nine shillings" in first.prediction


def test_a_judge_is_asked_about_what_the_rule_leaves_open(
    inline_actors: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_mmvet(tmp_path / "data")
    judged: list[ModelPrompt] = []

    def complete(self, prompts):  # type: ignore[no-untyped-def]
        for prompt in filter(None, prompts):
            is_grading = any("Grade" in one for one in prompt.items if isinstance(one, str))
            judged.extend([prompt] if is_grading else [])
            yield ModelReply(prompt.key, "0.7" if is_grading else "x = -1")

    monkeypatch.setattr(FakeReplica, "complete", complete)
    [alone] = evaluate(config(tmp_path / "out", tmp_path / "data", "mmvet"))
    assert (alone.scored_by, alone.scored[0].score) == ("rule", 0.5)
    assert alone.rule is not None
    [evaluation] = evaluate(config(tmp_path / "out", tmp_path / "data", "mmvet", judge=FAKE))
    assert (evaluation.scored_by, evaluation.scored[0].score, evaluation.rule) == ("fake@1", 0.7, None)
    assert "x = -1" in str(judged[0].items[0])
    evaluate(config(tmp_path / "out", tmp_path / "data", "mmvet", judge=FAKE))
    assert len(judged) == 1


def test_the_embedded_replica_answers_from_what_it_reads(inline_actors: None, tmp_path: Path) -> None:
    LAYOUTS["mmlongbench-doc"](tmp_path / "data")
    [evaluation] = evaluate(
        config(tmp_path / "out", tmp_path / "data", "mmlongbench-doc", models=[ModelChoice("embedded")])
    )
    told = {one.item.question: one.prediction for one in evaluation.scored}
    assert "nine shillings" in (told["For how much is the meadow let?"] or "")
    assert told["What does a zebra cost?"] == "Not answerable"


def test_replicas_stand_side_by_side_on_a_page(inline_actors: None, tmp_path: Path) -> None:
    make_ocrbench(tmp_path / "data")
    models = [FAKE, ModelChoice("fake", variant="thinking")]
    evaluations = evaluate(config(tmp_path / "out", tmp_path / "data", "ocrbench", models=models))
    write_page(OutputStore(str(tmp_path / "out")), evaluations)
    page = (tmp_path / "out/evaluation.html").read_text()
    assert "Replicas side by side" in page
    assert "+0.0 (+0.0 to +0.0)" in page
    assert "meadow" in page
    assert "867" in page


def test_a_limit_takes_whole_clusters_and_always_the_same() -> None:
    items = [Item(f"{n}", (Text(f"{n}"),), ("x",), cluster=f"{n // 3}") for n in range(30)]
    chosen = chosen_items(items, 10)
    assert len(chosen) == 9
    assert {item.cluster for item in chosen} == {item.cluster for item in items if item in chosen}
    assert chosen == chosen_items(list(items), 10)
