"""Understanding as a stream: the engine is full across assets, what is shared is let go, one failure costs no other."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from threading import Lock

import numpy as np
import pytest
from scripted import Reply, replica_of

from folioscope.model.engine.interface import Completion, Request
from folioscope.model.kimi import understanding
from folioscope.model.kimi.asking import SEGMENTS_SHOWN
from folioscope.model.kimi.structured import FormError
from folioscope.model.kimi_vl import KimiVLProcessor
from folioscope.model.protocol import (
    Answer,
    AssetTasks,
    DocumentText,
    PageText,
    Question,
    RgbImage,
    Summary,
    Understanding,
)

QUESTIONS = (Question("when", "When was the weir rebuilt?"), Question("who", "Who owns it?"))
SUMMARY = json.dumps({"summary": "A weir.", "key_points": []})


def document(name: str, pages: int = 2, pictures: bool = True, words: str = "The weir at Sallow") -> DocumentText:
    def picture(number: int) -> RgbImage:
        image = np.full((120, 200, 3), 255, np.uint8)
        image[20:40, 20 : 60 + number % 100] = 0
        return image

    texts = tuple(PageText(n, f"{words} {n}", width_px=200, height_px=120) for n in range(1, pages + 1))
    return DocumentText(name, f"{name}.pdf", None, texts, picture if pictures else None)


def tasks(count: int) -> list[AssetTasks]:
    return [AssetTasks(document(f"d{number}"), summarize=True, questions=QUESTIONS) for number in range(count)]


def script(prompt: str, _: Request) -> Reply:
    if "Summarise" in prompt:
        return SUMMARY
    if "Who owns" in prompt:
        return '{"answerable": false}'
    return json.dumps({"answerable": True, "answer": "1987", "page": 1, "quote": "weir"})


def check(found: Understanding) -> None:
    assert isinstance(found.summary, Summary)
    assert found.summary.text == "A weir."
    when, who = found.answers
    assert isinstance(when, Answer)
    assert isinstance(who, Answer)
    assert (when.question_id, when.text, who.answerable) == ("when", "1987", False)


def test_every_asset_gets_its_own_summary_and_answers(processor: KimiVLProcessor) -> None:
    replica, engine = replica_of(processor, script)
    found = list(replica.understand(tasks(9)))
    assert sorted(one.asset_id for one in found) == [f"d{number}" for number in range(9)]
    for one in found:
        check(one)
    assert len(engine.requests) == 27
    assert all(
        one.usage.seconds > 0 for u in found for one in (u.summary, *u.answers) if isinstance(one, Summary | Answer)
    )


def test_the_engine_works_on_several_assets_at_once_but_takes_no_more_than_it_has_room_for(
    processor: KimiVLProcessor,
) -> None:
    replica, engine = replica_of(processor, script)
    engine.most_sequences = 6
    step = engine.step

    def slowly() -> list[Completion]:
        time.sleep(0.02)  # as a device would: the next assets are made ready meanwhile
        return step()

    engine.step = slowly  # type: ignore[method-assign]
    taken = 0
    most_unfinished = 0

    def coming() -> Iterator[AssetTasks]:
        nonlocal taken, most_unfinished
        for one in tasks(20):
            taken += 1
            yield one

    for number, _ in enumerate(replica.understand(coming()), start=1):
        most_unfinished = max(most_unfinished, engine.unfinished)
        assert taken - number <= 5, "assets beyond the engine's room are not taken"
    assert most_unfinished > 3, "one asset has three tasks: others are with the engine beside it"


def test_what_an_asset_shared_is_let_go_with_its_last_answer(processor: KimiVLProcessor) -> None:
    replica, engine = replica_of(processor, script)
    for found in replica.understand(tasks(3)):
        assert f"{found.asset_id}:1,2" in engine.forgotten
    assert sorted(engine.forgotten) == ["d0:1,2", "d1:1,2", "d2:1,2"]
    assert {request.prefix_key for request in engine.requests} == {"d0:1,2", "d1:1,2", "d2:1,2"}


def test_none_means_that_the_next_is_not_ready_and_costs_nothing(processor: KimiVLProcessor) -> None:
    def coming() -> Iterator[AssetTasks | None]:
        for one in tasks(4):
            yield one
            yield None

    replica, _ = replica_of(processor, script)
    assert len(list(replica.understand(coming()))) == 4


def test_a_picture_that_is_gone_fails_its_own_asset_alone(processor: KimiVLProcessor) -> None:
    def gone(number: int) -> RgbImage:
        raise OSError("the file is gone")

    broken = DocumentText("gone", "gone.pdf", None, document("x").pages, gone)
    replica, _ = replica_of(processor, script)
    given = [*tasks(2), AssetTasks(broken, summarize=True, questions=QUESTIONS)]
    found = {one.asset_id: one for one in replica.understand(given)}
    check(found["d0"])
    check(found["d1"])
    assert [type(result) for result in (found["gone"].summary, *found["gone"].answers)] == [OSError] * 3


def test_a_task_that_fails_leaves_the_others_of_its_asset(processor: KimiVLProcessor) -> None:
    replica, _ = replica_of(processor, lambda prompt, _: "no form" if "Who owns" in prompt else script(prompt, _))
    [found] = replica.understand(tasks(1))
    assert isinstance(found.summary, Summary)
    when, who = found.answers
    assert isinstance(when, Answer)
    assert isinstance(who, Exception)
    assert isinstance(who.__cause__, FormError)


def test_a_question_looks_at_the_pages_that_were_chosen_for_it(processor: KimiVLProcessor) -> None:
    replica, engine = replica_of(processor, lambda *_: '{"answerable": false}')
    chosen = Question("when", "When?", segments=(7, 3, 99))
    list(replica.understand([AssetTasks(document("d", 9), questions=(chosen, QUESTIONS[1]))]))
    first, second = sorted(engine.prompts, key=len)
    assert [f"Page {n}:" in first for n in (2, 3, 7, 8)] == [False, True, True, False]
    assert all(f"Page {n}:" in second for n in range(1, 10))


def test_beyond_the_context_a_question_gets_the_nearest_few_pages(processor: KimiVLProcessor) -> None:
    pages = [PageText(n, f"filler {n} " * 30) for n in range(1, 200)]
    pages[150] = PageText(151, "The weir was rebuilt in 1987.")
    long = DocumentText("long", "long.pdf", None, tuple(pages))
    replica, engine = replica_of(processor, lambda *_: '{"answerable": false}', context=8000)
    list(replica.understand([AssetTasks(long, questions=QUESTIONS[:1])]))
    [prompt] = engine.prompts
    assert "Page 151:" in prompt
    assert prompt.count("Page ") <= SEGMENTS_SHOWN


def test_no_more_pictures_are_held_than_there_is_room_for(
    processor: KimiVLProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(understanding, "PICTURES_HELD", 4)
    fetched: Counter[str] = Counter()
    most, lock = 0, Lock()

    def looking(name: str) -> DocumentText:
        drawn = document(name)
        assert drawn.pictures is not None
        draw = drawn.pictures

        def picture(number: int) -> RgbImage:
            nonlocal most
            with lock:
                fetched[name] += 1
                most = max(most, fetched.total())
            return draw(number)

        return replace(drawn, pictures=picture)

    replica, _ = replica_of(processor, script)
    asked = [AssetTasks(looking(f"d{number}"), summarize=True, questions=QUESTIONS) for number in range(12)]
    for found in replica.understand(asked):
        check(found)
        with lock:
            assert fetched.pop(found.asset_id) == 2, "each page once, for all of its document's tasks"
    assert most == 4


def test_an_abandoned_stream_leaves_nothing_behind(processor: KimiVLProcessor) -> None:
    replica, engine = replica_of(processor, script)
    stream = replica.understand(tasks(30))
    next(stream)
    stream.close()
    assert engine.unfinished == 0
    assert len(list(replica.understand(tasks(2)))) == 2
