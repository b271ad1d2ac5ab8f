"""Which words of a model's text stand for which words of a reference, in whatever order either has them.

Long passages that both sides have once are matched first and grown at both ends, then shorter ones, then those that
come several times, in their order; what is left between two matched neighbours is compared word by word, near words
and parted words included; what is left then is matched wherever it stands. Each word of a side is matched once, so that
a paragraph that a model writes twice is found once. Figures match only exactly. Some 5 ms for a thousand words.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from folioscope.pipeline.grounding.word_pairs import best_path

UNIQUE_RUNS = (8, 4, 2)
REPEATED_RUNS = (6, 3)
SOON = 8  # words, within which a matched one tells where an unmatched one stands
DOWN = 2.0  # a step down the page is as far as so many to the side: text goes along lines
SLACK = 2  # words by which a gap may be longer on the page than in the text
WHOLE = 6  # words of a run that may go over the end of a block: shorter ones stand side by side by chance
WIDEST_GAP = 60  # words on a side, beyond which a gap is no misreading but another text
GLUED = 10  # letters, from which a word may be any number of words without their blanks

Centres = NDArray[np.float32]  # (words, 2): x and y as shares of the page


@dataclass(slots=True)
class Alignment:
    """``found[i]`` are the numbers of the reference's words that stand for word i, ``owner[j]`` the other way.

    ``weak`` words were only matched as a bag: they stand on the page, but where is not sure. ``near`` ones differ.
    """

    found: list[tuple[int, ...]]
    owner: list[int]
    near: set[int] = field(default_factory=set)
    weak: set[int] = field(default_factory=set)


def align(
    model: Sequence[str], reference: Sequence[str], centres: Centres | None = None, parts: Sequence[int] = ()
) -> Alignment:
    """Match two texts' words. ``centres`` are the middles of the reference's words, to tell equal ones apart; ``parts``
    are the numbers of the blocks that the model's words stand in."""
    aligner = _Aligner(model, reference, parts or [0] * len(model))
    for length in UNIQUE_RUNS:
        aligner.match_unique(length)
    for length in REPEATED_RUNS:
        aligner.match_repeated(length)
    aligner.match_unique(1)
    aligner.match_gaps(across=False)
    aligner.match_glued()
    aligner.match_bag(centres)
    aligner.match_gaps(across=True)
    return aligner.result


class _Aligner:
    def __init__(self, model: Sequence[str], reference: Sequence[str], parts: Sequence[int]) -> None:
        self._parts = parts
        numbers: dict[str, int] = {}
        self._words = model, reference
        self._a = [numbers.setdefault(word, len(numbers)) for word in model]
        self._b = [numbers.setdefault(word, len(numbers)) for word in reference]
        self.result = Alignment([()] * len(model), [-1] * len(reference))

    def match_unique(self, length: int) -> None:
        """Match runs of words that each side has once among what is still free."""
        in_a, in_b = self._runs(self._a, self._free_a(), length), self._runs(self._b, self._free_b(), length)
        for run, starts in in_a.items():
            others = in_b.get(run)
            if others is not None and len(starts) == len(others) == 1 and self._is_whole(starts[0], length):
                self._match_run(starts[0], others[0], length)

    def match_repeated(self, length: int) -> None:
        """Match runs that come several times: the first with the first, the second with the second."""
        in_a, in_b = self._runs(self._a, self._free_a(), length), self._runs(self._b, self._free_b(), length)
        for run, starts in in_a.items():
            for i, j in zip(starts, in_b.get(run, ()), strict=False):
                if self._is_whole(i, length):
                    self._match_run(i, j, length)

    def _is_whole(self, i: int, length: int) -> bool:
        return length >= WHOLE or self._parts[i] == self._parts[i + length - 1]

    def match_glued(self) -> None:
        """Match words of one side that are several words of the other without the blanks between them."""
        found, owner = self.result.found, self.result.owner
        for i, others in _glued(self._words[0], self._free_a(), self._words[1], self._free_b(), repeated=True):
            if not found[i] and all(owner[j] < 0 for j in others):
                self._match(i, others)
        for j, parts in _glued(self._words[1], self._free_b(), self._words[0], self._free_a(), repeated=False):
            if owner[j] < 0 and not any(found[i] for i in parts):
                for i in parts:
                    self._match(i, (j,))

    def match_gaps(self, *, across: bool) -> None:
        """Compare what is left between matched neighbours, on the side of either; ``across`` blocks or within one."""
        found, parts = self.result.found, self._parts
        i = 0
        while i < len(found):
            if found[i]:
                i += 1
                continue
            end = i + 1
            while end < len(found) and not found[end] and (across or parts[end] == parts[i]):
                end += 1
            after = found[i - 1][-1] + 1 if i and found[i - 1] and (across or parts[i - 1] == parts[i]) else None
            before = found[end][0] if end < len(found) and found[end] and (across or parts[end] == parts[i]) else None
            room = end - i + SLACK
            spans = {span for span in (self._free_after(after, room), self._free_before(before, room)) if span}
            for start, stop in sorted(spans):
                self._match_span(i, end, start, stop)
            i = end

    def match_bag(self, centres: Centres | None) -> None:
        """Match words that both sides still have: of several places the one nearest to where the text's neighbours are.

        Without places, in the order in which they come.
        """
        left: dict[int, list[int]] = defaultdict(list)
        for j in self._free_b():
            left[self._b[j]].append(j)
        free = [i for i in self._free_a() if left.get(self._a[i])]
        following = self._following(free)
        for i in free:
            places = left[self._a[i]]
            if not places:
                continue
            before = self.result.found[i - 1] if i else ()
            beside = [j for j in (*before[-1:], *following.get(i, ())) if centres is not None]
            nearest = 0
            if len(places) > 1 and beside and centres is not None:
                apart = np.abs(centres[places][:, None, :] - centres[beside][None, :, :]) * (1.0, DOWN)
                nearest = int(apart.sum(axis=(1, 2)).argmin())
            j = places.pop(nearest)
            self._match(i, (j,))
            if not (j - 1 in before or (i + 1 < len(self._a) and j + 1 in self.result.found[i + 1])):
                self.result.weak.add(i)

    def _following(self, free: Sequence[int]) -> dict[int, tuple[int, ...]]:
        """The first place of the next word that is matched, for each free word with one soon behind it."""
        found = self.result.found
        return {
            i: found[after][:1]
            for i in free
            if (after := next((n for n in range(i + 1, min(len(found), i + SOON)) if found[n]), None)) is not None
        }

    def _free_a(self) -> list[int]:
        return [i for i, found in enumerate(self.result.found) if not found]

    def _free_b(self) -> list[int]:
        return [j for j, owner in enumerate(self.result.owner) if owner < 0]

    @staticmethod
    def _runs(ids: Sequence[int], places: Sequence[int], length: int) -> dict[tuple[int, ...], list[int]]:
        """Where each run of so many free words begins; ``places`` are those of the free ones."""
        starts: dict[tuple[int, ...], list[int]] = defaultdict(list)
        last = length - 1
        for number in range(len(places) - last):
            i = places[number]
            if places[number + last] == i + last:
                starts[tuple(ids[i : i + length])].append(i)
        return starts

    def _match_run(self, i: int, j: int, length: int) -> None:
        """Match a run where it is still free, and what equals it at both ends."""
        found, owner, a, b = self.result.found, self.result.owner, self._a, self._b
        if any(found[i + n] or owner[j + n] >= 0 for n in range(length)):
            return
        start, stop, parts = 0, length, self._parts
        whole = length >= WHOLE
        while i + start > 0 and j + start > 0 and a[i + start - 1] == b[j + start - 1]:
            if found[i + start - 1] or owner[j + start - 1] >= 0 or not (whole or parts[i + start - 1] == parts[i]):
                break
            start -= 1
        while i + stop < len(a) and j + stop < len(b) and a[i + stop] == b[j + stop]:
            if found[i + stop] or owner[j + stop] >= 0 or not (whole or parts[i + stop] == parts[i]):
                break
            stop += 1
        for n in range(start, stop):
            self._match(i + n, (j + n,))

    def _match(self, i: int, others: tuple[int, ...]) -> None:
        self.result.found[i] = others
        for j in others:
            self.result.owner[j] = i

    def _free_after(self, start: int | None, room: int) -> tuple[int, int] | None:
        """What is free from a place on, so many words at most."""
        if start is None:
            return None
        owner, stop = self.result.owner, start
        while stop < len(owner) and owner[stop] < 0 and stop - start < room:
            stop += 1
        return (start, stop) if stop > start else None

    def _free_before(self, stop: int | None, room: int) -> tuple[int, int] | None:
        if stop is None:
            return None
        owner, start = self.result.owner, stop
        while start > 0 and owner[start - 1] < 0 and stop - start < room:
            start -= 1
        return (start, stop) if stop > start else None

    def _match_span(self, i0: int, i1: int, j0: int, j1: int) -> None:
        """The best order-keeping match of free words i0..i1 and j0..j1, near and parted words included."""
        rows = [i for i in range(i0, min(i1, i0 + WIDEST_GAP)) if not self.result.found[i]]
        columns = [j for j in range(j0, j1) if self.result.owner[j] < 0]
        if not rows or not columns:
            return
        a, b = [self._words[0][i] for i in rows], [self._words[1][j] for j in columns]
        for row, column, high, wide, score in best_path(a, b):
            others = tuple(columns[column : column + wide])
            for i in rows[row : row + high]:
                self._match(i, others)
                if score < 1:
                    self.result.near.add(i)


def _glued(
    words: Sequence[str], free: Sequence[int], others: Sequence[str], left: Sequence[int], *, repeated: bool
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each long free word with the run of the other side's free words (``left``) that it is without the blanks.

    One that comes several times is left out, or, where it is ``repeated``, matched in order: if its runs are as many.
    """
    long: dict[str, list[int]] = defaultdict(list)
    for i in free:
        if len(words[i]) >= GLUED:
            long[words[i]].append(i)
    if not long:
        return
    offsets: dict[int, int] = {}  # where each of the other side's words begins in its letters
    letters = ""
    for number, j in enumerate(left):
        letters += "" if number == 0 or left[number - 1] == j - 1 else " "
        offsets[len(letters)] = number
        letters += others[j]
    ends = {start + len(others[left[number]]): number for start, number in offsets.items()}
    for word, places in long.items():
        runs = []
        for found in re.finditer(f"(?={re.escape(word)})", letters):
            first, last = offsets.get(found.start()), ends.get(found.start() + len(word))
            if first is not None and last is not None and last > first:
                runs.append(tuple(left[first : last + 1]))
        if len(runs) == len(places) <= (len(places) if repeated else 1):
            yield from zip(places, runs, strict=True)
