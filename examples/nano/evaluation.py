"""How well a nano model reads: free-running greedy answers to fixed images that no training saw.

Runs through our engine, so that what is measured is what is served. A quick round takes seconds, a whole one a minute.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from rapidfuzz.distance import Levenshtein

from examples.nano.drawing import Style, Words, draw
from examples.nano.lessons import Desk, Lesson, count_lesson, presence_lesson, read_lesson, to_patches
from folioscope.model.engine.interface import Completion, Picture, Request, Sampling, complete_in_order
from folioscope.model.engine.torch_engine import EngineSettings, TorchEngine
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration

CLEAN = Style(noise=False)
SEED = 20_261_124
NEW_TOKENS = 220


def reading_set(name: str, count: int) -> list[Lesson]:
    """Fixed images: one or four clean lines, or four with noise."""
    lines, grid, style = {
        "line": (1, (2, 28), CLEAN),
        "four_lines": (4, (8, 28), CLEAN),
        "noisy_four_lines": (4, (8, 28), Style()),
    }[name]
    rng, words = random.Random(f"{SEED} {name}"), Words(held_out=True)
    kinds = ("running", "shuffled")
    return [read_lesson(draw(rng, words, lines, grid, style, kinds[n % 2])) for n in range(count)]


def question_set(kind: str, count: int) -> list[Lesson]:
    """Fixed questions: presence on one image, on two, the number of lines, and empty images."""
    rng, words = random.Random(f"{SEED} {kind}"), Words(held_out=True)
    found = []
    for _ in range(count):
        grid = (8, rng.choice([20, 24, 28]))
        drawings = [draw(rng, words, rng.randint(1, 4), grid, CLEAN, "shuffled") for _ in range(2)]
        if kind == "count":
            found.append(count_lesson(drawings[0]))
        elif kind == "blank":
            found.append(read_lesson(draw(rng, words, 0, grid, Style())))
        else:
            found.append(presence_lesson(rng, words, drawings if kind == "presence_in_two" else drawings[:1]))
    return found


def answer(model: KimiVLForConditionalGeneration, desk: Desk, lessons: Sequence[Lesson]) -> list[Completion]:
    engine = TorchEngine(model, EngineSettings(cache_tokens=32 * 512))
    stops = frozenset(desk.stop_ids)
    requests = []
    for number, lesson in enumerate(lessons):
        pictures = tuple(Picture(to_patches(d).numpy(), *d.grid) for d in lesson.drawings)
        ids = desk.prompt(lesson.task, tuple(picture.tokens for picture in pictures))
        requests.append(Request(str(number), tuple(ids), Sampling(NEW_TOKENS), stops, pictures))
    return complete_in_order(engine, requests)


def character_errors(texts: Sequence[str], lessons: Sequence[Lesson]) -> tuple[float, str]:
    """(errors a wanted character over all images, the worst image as "wanted -> read")."""
    pairs = [(lesson.answer, text) for lesson, text in zip(lessons, texts, strict=True)]
    errors = [Levenshtein.distance(wanted, text) for wanted, text in pairs]
    worst = max(range(len(pairs)), key=lambda n: errors[n] / len(pairs[n][0]))
    return sum(errors) / sum(len(wanted) for wanted, _ in pairs), "{!r} -> {!r}".format(*pairs[worst])


def evaluate(model: KimiVLForConditionalGeneration, desk: Desk, *, quick: bool) -> dict[str, Any]:
    """Character error rates, shares of right answers, and the share of answers that ended by themselves."""
    model.eval()
    figures: dict[str, Any] = {}
    stopped = total = 0
    for name, count in (("line", 60), ("four_lines", 30), ("noisy_four_lines", 30)):
        lessons = reading_set(name, count // 3 if quick else count)
        completions = answer(model, desk, lessons)
        texts = [desk.text(completion.ids) for completion in completions]
        figures[f"cer_{name}"], figures[f"worst_{name}"] = character_errors(texts, lessons)
        stopped += sum(completion.finish_reason == "stop" for completion in completions)
        total += len(completions)
    for kind, count in (("presence", 200), ("presence_in_two", 50), ("count", 50), ("blank", 20)):
        lessons = question_set(kind, count // 5 if quick else count)
        texts = [desk.text(completion.ids) for completion in answer(model, desk, lessons)]
        right = [text == lesson.answer for text, lesson in zip(texts, lessons, strict=True)]
        figures[f"right_{kind}"] = sum(right) / len(right)
        if kind == "presence":
            verdicts = [t.partition(",")[0] == e.answer.partition(",")[0] for t, e in zip(texts, lessons, strict=True)]
            figures["right_presence_yes_no"] = sum(verdicts) / len(verdicts)
    figures["stopped"] = stopped / total
    return figures
