"""Which sequences run, and which of their tokens the next step computes.

A request is admitted when the pool can hold its prompt and what it is expected to write. Where sequences write more
than that and the pool runs out, the one that came last makes room: its latents go to host memory, and it goes on where
it stopped once there is room again. A step takes one token of every sequence that is writing, and fills what is left of
its budget with pieces of prompts: writing never waits for a long prompt. A request whose prefix is still being computed
by another waits for it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from folioscope.model.engine.interface import Counters, Request, RequestError
from folioscope.model.engine.lengths import ExpectedLengths
from folioscope.model.engine.pages import PAGE_TOKENS, PagePool, Prefix, Prefixes, pages_for
from folioscope.model.engine.sampling import generator_for


@dataclass(eq=False, slots=True)
class Sequence:
    """A request being served. ``computed`` of its ``ids`` (prompt and what was written) are in the cache."""

    request: Request
    ids: list[int]
    pages: NDArray[np.int32]
    computed: int
    prefix: Prefix | None
    owns_prefix: bool
    generator: torch.Generator | None
    places: NDArray[np.int64]  # image tokens before each place of the prompt
    first_picture: int  # the first one that is not wholly in the shared prefix
    shared: int
    features: Tensor | None = None  # of the pictures from ``first_picture`` on
    saved: Tensor | None = None  # its latents, while it is preempted and has no pages
    logprobs: list[float] = field(default_factory=list)

    @property
    def written(self) -> list[int]:
        return self.ids[len(self.request.ids) :]

    @property
    def needs_features(self) -> bool:
        reading = self.computed < len(self.request.ids)
        return reading and self.features is None and self.first_picture < len(self.request.pictures)

    def first_place(self) -> int:
        """Image tokens of the prompt before the first picture that this sequence encodes."""
        return sum(picture.tokens for picture in self.request.pictures[: self.first_picture])


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens ``start`` to ``end`` of a sequence, computed in one step."""

    sequence: Sequence
    start: int
    end: int

    @property
    def writes(self) -> bool:
        """Whether it is the one token of a sequence that has read its prompt."""
        return self.start >= len(self.sequence.request.ids)


class Scheduler:
    def __init__(
        self,
        pool: PagePool,
        counters: Counters,
        *,
        most_sequences: int,
        join_at_once: int,
        tokens_per_step: int,
        most_positions: int,
        media_id: int,
    ) -> None:
        self._pool = pool
        self._prefixes = Prefixes(pool)
        self._counters = counters
        self._most_sequences = most_sequences
        self._join_at_once = min(join_at_once, most_sequences)
        self._tokens_per_step = tokens_per_step
        self._most_positions = most_positions
        self._media_id = media_id
        self.waiting: deque[Request] = deque()
        self.running: list[Sequence] = []  # as they came
        self.preempted: deque[Sequence] = deque()
        self._expected = ExpectedLengths()

    def submit(self, request: Request) -> None:
        """Queue a request. Raises :class:`RequestError`."""
        total = len(request.ids) + request.sampling.max_new_tokens
        if not request.ids or request.sampling.max_new_tokens < 1:
            raise RequestError(f"Request {request.key}: a prompt and room for at least one new token are needed.")
        if total > self._most_positions:
            raise RequestError(
                f"Request {request.key}: {len(request.ids)} prompt tokens and {request.sampling.max_new_tokens} new "
                f"ones pass the model's {self._most_positions}. Give fewer pages, or ask for a shorter answer."
            )
        if pages_for(total) + 1 > self._pool.size:
            raise RequestError(
                f"Request {request.key}: {total} tokens do not fit the cache of {self._pool.size * PAGE_TOKENS}. Give "
                "the engine a larger cache, or fewer pages in one request."
            )
        if sum(picture.tokens for picture in request.pictures) != request.ids.count(self._media_id):
            raise RequestError(f"Request {request.key}: its image tokens and its images do not agree.")
        if request.prefix_key is not None and not 0 < request.prefix_tokens < len(request.ids):
            raise RequestError(f"Request {request.key}: a prefix is shorter than its prompt, and not empty.")
        self._check_prefix(request)
        self.waiting.append(request)

    def _check_prefix(self, request: Request) -> None:
        key = request.prefix_key
        if key is None:
            return
        given = (request.prefix_tokens, _identity(request))
        known = self._prefixes.get(key)
        others = [(known.tokens, known.identity)] if known is not None else []
        others += [(r.prefix_tokens, _identity(r)) for r in self.waiting if r.prefix_key == key][:1]
        if any(other != given for other in others):
            raise RequestError(f"Request {request.key}: the prefix {key} was given for other tokens.")

    def admit(self) -> None:
        """Move to running what fits, in order; requests whose prefix is being computed are passed over."""
        if self.running and self._most_sequences - len(self.running) < self._join_at_once:
            return
        self._resume()
        if self.preempted:
            return  # they were here before
        passed: list[Request] = []
        while self.waiting and len(self.running) < self._most_sequences:
            request = self.waiting.popleft()
            prefix = self._prefixes.get(request.prefix_key) if request.prefix_key is not None else None
            if prefix is not None and not prefix.ready:
                passed.append(request)
                continue
            sequence = self._start(request, prefix)
            if sequence is None:
                self.waiting.appendleft(request)
                break
            self.running.append(sequence)
        self.waiting.extendleft(reversed(passed))

    def make_room(self) -> None:
        """See to it that each running sequence has pages for all its tokens; the last ones that came give up theirs."""
        number = 0
        while number < len(self.running):
            sequence = self.running[number]
            lacking = pages_for(len(sequence.ids)) - len(sequence.pages)
            while lacking > 0 and not self._prefixes.make_room(lacking):
                last = self.running[-1]
                self._preempt(last)
                if last is sequence:
                    return
            if lacking > 0:
                sequence.pages = np.concatenate([sequence.pages, np.array(self._pool.take(lacking), dtype=np.int32)])
            number += 1

    def _preempt(self, sequence: Sequence) -> None:
        """Give its pages up. Those of a prefix come back as its own, so that nobody has to keep the prefix for it."""
        self._counters.preemptions += 1
        self.running.remove(sequence)
        pages = sequence.pages[: pages_for(sequence.computed)].tolist()
        sequence.saved = self._pool.save(pages)
        self._pool.release(sequence.pages.tolist())
        sequence.pages = sequence.pages[:0]
        if sequence.prefix is not None and sequence.prefix.ready:
            self._prefixes.leave(sequence.prefix)
            sequence.prefix, sequence.owns_prefix = None, False
        self.preempted.appendleft(sequence)

    def _resume(self) -> None:
        """Take preempted sequences back while there is room for what they hold and a page more."""
        while self.preempted and len(self.running) < self._most_sequences:
            sequence = self.preempted[0]
            wanted = pages_for(len(sequence.ids) + 1)
            if not self._prefixes.make_room(wanted + (1 if self.running else 0)):
                return
            self.preempted.popleft()
            pages = self._pool.take(wanted)
            assert sequence.saved is not None
            self._pool.restore(sequence.saved, pages)
            sequence.pages, sequence.saved = np.array(pages, dtype=np.int32), None
            self.running.append(sequence)

    def pieces(self) -> list[Piece]:
        """The tokens of the next step: all that are being written, then prompts as far as the budget goes."""
        writing = [s for s in self.running if len(s.ids) - s.computed == 1]
        found = [Piece(s, s.computed, len(s.ids)) for s in writing]
        left = max(self._tokens_per_step - len(found), PAGE_TOKENS)
        for sequence in self.running:
            if len(sequence.ids) - sequence.computed > 1 and not sequence.needs_features and left > 0:
                end = min(len(sequence.ids), sequence.computed + left)
                found.append(Piece(sequence, sequence.computed, end))
                left -= end - sequence.computed
        return found

    def advance(self, piece: Piece) -> bool:
        """Note that a piece is in the cache; True where its sequence now wants a new token."""
        sequence = piece.sequence
        sequence.computed = piece.end
        if piece.end >= len(sequence.request.ids):
            sequence.features = None  # they are in the cache now; a long document's take half a gigabyte
        self._counters.prompt_tokens_computed += max(0, min(piece.end, len(sequence.request.ids)) - piece.start)
        prefix = sequence.prefix
        if sequence.owns_prefix and prefix is not None and not prefix.ready and sequence.computed >= prefix.tokens:
            self._prefixes.finish(prefix, sequence.pages.tolist())
        return sequence.computed == len(sequence.ids)

    def finish(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self._expected.note(sequence.request.sampling.max_new_tokens, len(sequence.written))
        self._pool.release(sequence.pages.tolist())
        if sequence.prefix is not None:
            self._prefixes.leave(sequence.prefix)

    def forget(self, prefix_key: str) -> None:
        self._prefixes.forget(prefix_key)

    def clear(self) -> None:
        """Drop all requests; prefixes that are whole stay."""
        self.waiting.clear()
        for sequence in [*self.running, *self.preempted]:
            self._pool.release(sequence.pages.tolist())
            if sequence.prefix is not None:
                self._prefixes.leave(sequence.prefix)
        self.running.clear()
        self.preempted.clear()
        self._prefixes.forget_unready()

    def _start(self, request: Request, prefix: Prefix | None) -> Sequence | None:
        """A sequence with the pages that it is expected to need, or None where they are not to be had yet."""
        shared = prefix.tokens if prefix is not None else 0
        whole = shared // PAGE_TOKENS
        wanted = pages_for(len(request.ids) + self._expected.of(request.sampling.max_new_tokens)) - whole
        if prefix is not None:
            prefix.users += 1  # so that making room does not drop it
        if not self._prefixes.make_room(wanted):
            if prefix is not None:
                prefix.users -= 1
            return None
        own = self._pool.take(wanted)
        pages = own
        if prefix is not None:
            self._pool.hold(prefix.pages[:whole])
            pages = [*prefix.pages[:whole], *own]
            if shared % PAGE_TOKENS:
                self._pool.copy(prefix.pages[whole], own[0])  # the page in which the ways part
        owns = prefix is None and request.prefix_key is not None
        if owns:
            prefix = self._prefixes.begin(str(request.prefix_key), _identity(request), request.prefix_tokens)
            prefix.users = 1
        self._counters.prompt_tokens_shared += shared
        media = np.asarray(request.ids) == self._media_id
        places = np.concatenate([[0], media.cumsum()])
        return Sequence(
            request=request,
            ids=list(request.ids),
            pages=np.array(pages, dtype=np.int32),
            computed=shared,
            prefix=prefix,
            owns_prefix=owns,
            generator=generator_for(request.sampling),
            places=places,
            first_picture=_pictures_within(request, int(places[shared])),
            shared=shared,
        )


def _pictures_within(request: Request, tokens: int) -> int:
    """How many of the first pictures lie wholly in so many image tokens."""
    for number, picture in enumerate(request.pictures):
        tokens -= picture.tokens
        if tokens < 0:
            return number
    return len(request.pictures)


def _identity(request: Request) -> int:
    """Tells one prefix from another by its ids; that its pictures are the same is what the key vouches for."""
    return hash(request.ids[: request.prefix_tokens])
