"""The nano Kimi-VL truly reads: fixed held-out images, through our engine and through transformers' generate."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pymupdf
import pytest
import torch
from understood import answers_of, summary_of

from examples.nano.evaluation import answer, character_errors, question_set, reading_set
from examples.nano.lessons import Desk, Lesson, to_patches
from examples.nano.replica import FOLDER, NanoReplica
from folioscope.model.kimi_vl import KimiVLForConditionalGeneration, KimiVLTokenizer
from folioscope.model.kimi_vl.checkpoint import load
from folioscope.model.protocol import (
    Answer,
    AssetTasks,
    DocumentText,
    Frame,
    PageInput,
    PageText,
    Question,
    Reading,
    RgbImage,
    ShotInput,
    ShotText,
    Summary,
    Understanding,
    Usage,
    VideoText,
)

LETTER = ("The meadow below the weir is let", "from the first of April each year.", "The rent is paid in two parts.")


@lru_cache(maxsize=1)
def model() -> KimiVLForConditionalGeneration:
    return load(KimiVLForConditionalGeneration, FOLDER, dtype="float32")


@lru_cache(maxsize=1)
def desk() -> Desk:
    return Desk(KimiVLTokenizer.from_pretrained(FOLDER))


def read(lessons: list[Lesson]) -> list[str]:
    return [desk().text(completion.ids) for completion in answer(model(), desk(), lessons)]


@pytest.mark.parametrize(("name", "most"), [("line", 0.03), ("four_lines", 0.10)])
def test_clean_print_is_read(name: str, most: float) -> None:
    lessons = reading_set(name, 15)
    rate, worst = character_errors(read(lessons), lessons)
    assert rate <= most, worst


def test_a_word_is_found_or_missed_rightly() -> None:
    lessons = question_set("presence", 100)
    said = read(lessons)
    right = [
        text.partition(",")[0] == lesson.answer.partition(",")[0] for text, lesson in zip(said, lessons, strict=True)
    ]
    assert np.mean(right) >= 0.9


def test_answers_end_by_themselves_and_a_blank_image_is_named_so() -> None:
    lessons = [*reading_set("line", 10), *question_set("count", 10)]
    assert {completion.finish_reason for completion in answer(model(), desk(), lessons)} == {"stop"}
    assert set(read(question_set("blank", 10))) == {"(blank)"}


def test_generate_gives_what_the_engine_gives() -> None:
    lessons = [*reading_set("line", 3), *question_set("presence_in_two", 3)]
    for lesson, ours in zip(lessons, answer(model(), desk(), lessons), strict=True):
        tokens = tuple(rows * columns // 4 for rows, columns in (d.grid for d in lesson.drawings))
        prompt = torch.tensor([desk().prompt(lesson.task, tokens)])
        out = model().generate(
            prompt,
            pixel_values=torch.cat([to_patches(drawing) for drawing in lesson.drawings]),
            image_grid_hws=torch.tensor([drawing.grid for drawing in lesson.drawings]),
            max_new_tokens=220,
            do_sample=False,
            eos_token_id=desk().stop_ids,
        )
        written = [i for i in out[0, prompt.shape[1] :].tolist() if i not in desk().stop_ids]
        assert written == list(ours.ids)


def test_the_checkpoint_is_small_and_says_what_it_is() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 11_000_000
    assert "says nothing about the quality of Kimi-VL" in (FOLDER / "README.md").read_text("utf-8")


def printed(lines: tuple[str, ...]) -> RgbImage:
    document = pymupdf.open()
    page = document.new_page(width=420, height=200)
    for number, line in enumerate(lines):
        page.insert_text((40, 60 + 26 * number), line, fontname="helv", fontsize=16)
    pixmap = page.get_pixmap(dpi=144)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)


@pytest.fixture(scope="module")
def replica() -> NanoReplica:
    return NanoReplica()


def test_the_replica_reads_a_printed_page(replica: NanoReplica) -> None:
    image = printed(LETTER)
    blank = np.full_like(image, 255)
    first, second = replica.read([PageInput(1, 840, 400, image, None), PageInput(2, 840, 400, blank, None)])
    words = " ".join(LETTER).split()
    assert sum(word in first.text.split() for word in words) >= 0.8 * len(words)
    assert (first.text_source, first.flags) == ("model", ())
    assert first.blocks[0].bbox is not None
    assert (second.text, second.flags) == ("", ("blank",))


def test_the_replica_answers_by_looking_and_shares_what_it_saw(replica: NanoReplica) -> None:
    image = printed(LETTER)
    document = DocumentText("asset", "a.pdf", None, (PageText(1, "\n".join(LETTER)),), lambda number: image)
    before = replica.engine.counters.images_encoded
    questions = [
        Question("rent", 'Is "rent" on the page?'),
        Question("ferry", 'Is "ferry" on the page?'),
        Question("why", "Why is the meadow let?"),
    ]
    rent, ferry, why = answers_of(replica, document, questions)
    assert rent.answerable
    assert rent.evidence[0].page_number == 1
    assert not ferry.answerable
    assert not why.answerable
    assert replica.engine.counters.images_encoded == before + 1  # one picture of three lines, two questions
    summary = summary_of(replica, document)
    assert "1 pages with" in summary.text


def test_the_replica_reads_what_stands_in_a_shot_and_leaves_the_caption_empty(replica: NanoReplica) -> None:
    image = printed(LETTER[:1])
    frames = (Frame(2.0, image), Frame(3.0, image.copy()), Frame(4.0, np.full_like(image, 255)))
    [reading] = replica.read([ShotInput(1, 2.0, 5.0, 840, 400, frames)])
    assert isinstance(reading, Reading)
    assert (reading.caption, reading.flags) == (None, ())
    [block] = reading.blocks
    assert (block.start_s, block.end_s, block.text) == (2.0, 3.0, reading.text)
    shot = ShotText(1, 2.0, 5.0, reading.text, reading.blocks, frame_times=(2.0, 3.0, 4.0))
    video = VideoText("video", "a.mp4", None, 5.0, (shot,), lambda time_s: image)
    summary = summary_of(replica, video)
    assert "1 shots with 1 lines" in summary.text
    [evidence] = summary.key_points[0].evidence
    assert (evidence.quote, evidence.page_number, evidence.start_s, evidence.end_s) == (reading.text, None, 2.0, 5.0)


def test_the_checkpoint_has_the_published_layout() -> None:
    names = {path.name for path in Path(FOLDER).iterdir()}
    assert {
        "config.json",
        "generation_config.json",
        "model.safetensors.index.json",
        "preprocessor_config.json",
        "tiktoken.model",
        "tokenizer_config.json",
        "chat_template.jinja",
        "README.md",
    } <= names


def test_documents_that_share_the_engine_are_understood_as_each_alone(replica: NanoReplica) -> None:
    """The engine is full across documents, and no answer depends on what else is with it."""
    pages = [printed(LETTER[:lines]) for lines in (1, 2, 3)]
    words = ("rent", "meadow", "ferry", "April")
    questions = tuple(Question(word, f'Is "{word}" on the page?') for word in words)
    asked = [
        AssetTasks(
            DocumentText(f"d{number}", f"{number}.pdf", None, (PageText(1, "x"), PageText(2, "y")), shown),
            summarize=True,
            questions=questions,
        )
        for number, shown in enumerate(lambda page, first=first: pages[(first + page) % 3] for first in range(4))
    ]
    replica.engine.counters.most_sequences = 0
    together = {found.asset_id: found for found in replica.understand(asked)}
    assert replica.engine.counters.most_sequences > 1 + len(words), "requests of several documents ran together"
    assert any(
        answer.answerable for found in together.values() for answer in found.answers if isinstance(answer, Answer)
    )
    for one in asked:
        [alone] = replica.understand([one])
        assert untimed(together[one.asset.asset_id]) == untimed(alone)


def untimed(found: Understanding) -> list[Summary | Answer | Exception]:
    """What came of an asset's tasks, but for what they took: what a shared page costs falls to the first of them."""
    results = [found.summary, *found.answers]
    return [replace(result, usage=Usage()) for result in results if isinstance(result, Summary | Answer)]
