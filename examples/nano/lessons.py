"""Turns drawings into lessons: a task in the prompt, the answer wanted, and both as a batch of the real chat layout.

Tasks: read the text, count the lines, say whether a word is there and where, on one image or on two. The prompt is made
by Kimi-VL's own chat template and tokenizer, the pixels are cut as its image processor cuts them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from examples.nano.drawing import PATCH, Drawing, Style, Words, draw
from examples.nano.words import COUNT, PRESENCE, READ
from folioscope.model.kimi_vl.chat import widen_images
from folioscope.model.kimi_vl.special_tokens import IM_END, MEDIA_PAD
from folioscope.model.kimi_vl.tokenization import KimiVLTokenizer

BLANK = "(blank)"
IGNORED = -100


def presence_question(word: str) -> str:
    return PRESENCE.format(word=word)


@dataclass(frozen=True, slots=True)
class Lesson:
    """``cells`` are the image tokens to look at for each character of the answer; empty where nothing guides."""

    drawings: tuple[Drawing, ...]
    task: str
    answer: str
    cells: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """``labels`` and ``cells`` (rows, tokens): what each place predicts, and the token to look at while it does (or -1).

    ``pixels`` (patches, 3, 14, 14), images row by row, all of ``grid``; ``slots`` (patches, 4).
    """

    ids: Tensor
    labels: Tensor
    cells: Tensor
    pixels: Tensor
    slots: Tensor
    grids: tuple[tuple[int, int], ...]

    @property
    def valid(self) -> Tensor:
        return self.ids >= 0


def read_lesson(drawing: Drawing) -> Lesson:
    if not drawing.lines:
        return Lesson((drawing,), READ, BLANK)
    return Lesson((drawing,), READ, drawing.text, drawing.cells)


def count_lesson(drawing: Drawing) -> Lesson:
    return Lesson((drawing,), COUNT, str(len(drawing.lines)))


def presence_lesson(rng: random.Random, words: Words, drawings: Sequence[Drawing]) -> Lesson:
    """A word that stands on one of the images, or, as often, one that stands on none."""
    lines = [(image, line, text) for image, d in enumerate(drawings, 1) for line, text in enumerate(d.lines, 1)]
    found = [(image, line, word) for image, line, text in lines for word in text.split() if len(word) >= 3]
    if found and rng.random() < 0.5:
        _, _, word = rng.choice(found)
        first = next((i, n) for i, n, text in lines if word in text)
        place = f"line {first[1]}" if len(drawings) == 1 else f"image {first[0]}, line {first[1]}"
        return Lesson(tuple(drawings), presence_question(word), f"yes, {place}")
    word = rng.choice(words.common)
    while any(word in text for _, _, text in lines):
        word = rng.choice(words.common)
    return Lesson(tuple(drawings), presence_question(word), "no")


def make_lesson(
    rng: random.Random, words: Words, grid: tuple[int, int], lines: int, tasks: bool, images: int
) -> Lesson:
    """One lesson; with ``tasks`` a third are no reading. Two images are always a question about a word."""
    counts = [lines if n == 0 else rng.randint(1, lines) for n in range(images)]
    drawings = [draw(rng, words, count, grid, Style()) for count in counts]
    if images > 1:
        return presence_lesson(rng, words, drawings)
    choice = rng.random() if tasks else 1.0
    if choice < 0.03:
        return read_lesson(draw(rng, words, 0, grid, Style()))
    if choice < 0.12:
        return count_lesson(drawings[0])
    if choice < 0.34:
        return presence_lesson(rng, words, drawings)
    return read_lesson(drawings[0])


class Desk:
    """Lays lessons out as batches for one tokenizer."""

    def __init__(self, tokenizer: KimiVLTokenizer) -> None:
        self._tokenizer = tokenizer
        self._media = tokenizer.special_token_ids[MEDIA_PAD]
        self._end = tokenizer.special_token_ids[IM_END]

    def prompt(self, task: str, tokens: tuple[int, ...]) -> list[int]:
        """Ids of a user turn with images of so many tokens and a task, ready for the answer."""
        return widen_images(self._chat(task, len(tokens)), self._media, iter(tokens))

    @property
    def stop_ids(self) -> list[int]:
        return self._tokenizer.stop_ids

    def text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids)))

    def batch(self, lessons: Sequence[Lesson]) -> Batch:
        """Lessons whose images are alike in number and size."""
        rows = [self._row(lesson) for lesson in lessons]
        width = max(len(ids) for ids, _, _ in rows)
        ids = torch.full((len(rows), width), -1)
        labels, cells = torch.full_like(ids, IGNORED), torch.full_like(ids, -1)
        for row, (own, wanted, looked) in enumerate(rows):
            ids[row, : len(own)] = torch.tensor(own)
            labels[row, : len(own)] = torch.tensor(wanted)
            cells[row, : len(own)] = torch.tensor(looked)
        drawings = [drawing for lesson in lessons for drawing in lesson.drawings]
        return Batch(
            ids=ids,
            labels=labels,
            cells=cells,
            pixels=torch.cat([to_patches(drawing) for drawing in drawings]),
            slots=torch.from_numpy(np.concatenate([drawing.slots for drawing in drawings])),
            grids=tuple(drawing.grid for drawing in drawings),
        )

    def _row(self, lesson: Lesson) -> tuple[list[int], list[int], list[int]]:
        """(ids, label of each place, place to look at from each place)."""
        tokens = tuple(rows * columns // 4 for rows, columns in (d.grid for d in lesson.drawings))
        prompt = self.prompt(lesson.task, tokens)
        answer = self._tokenizer.encode_text(lesson.answer)
        ids = [*prompt, *answer]
        labels = [IGNORED] * (len(prompt) - 1) + [*answer, self._end]
        looked = [-1] * len(ids)
        if lesson.cells:
            first = prompt.index(self._media)
            after = len(prompt) - 1
            looked[after:] = [first + cell for cell in (*lesson.cells, lesson.cells[-1])]
        return ids, labels, looked

    @lru_cache(maxsize=4096)  # noqa: B019 (one desk a program)
    def _chat(self, task: str, images: int) -> list[int]:
        content = [*({"type": "image"} for _ in range(images)), {"type": "text", "text": task}]
        messages = [{"role": "user", "content": content}]
        ids: list[int] = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        return ids


def to_patches(drawing: Drawing) -> Tensor:
    """(patches, 3, 14, 14) in -1..1, as the image processor makes them of a grey image."""
    rows, columns = drawing.grid
    grey = drawing.pixels.reshape(rows, PATCH, columns, PATCH).transpose(0, 2, 1, 3).reshape(-1, 1, PATCH, PATCH)
    shares = (grey.astype(np.float32) / 255 - 0.5) / 0.5
    return torch.from_numpy(np.repeat(shares, 3, axis=1))
