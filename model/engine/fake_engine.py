"""A scripted engine: it writes what it is told, in the time that a device would take; no weights, no torch.

For tests, where time costs nothing, and for simulations, where a step lasts as long as :class:`Timing` says. It admits,
reads prompts in pieces, shares prefixes, cuts loops and counts as the torch engine does. Its busy seconds are those of
the timing, not of the host that it runs on. Prefixes are remembered until told otherwise.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Ids
from dataclasses import dataclass, field

from folioscope.model.engine.interface import Completion, Counters, FinishReason, Request, RequestError
from folioscope.model.engine.loops import is_due, looped

Script = Callable[[Request], Ids[int]]
"""What the model writes to a request, without the token that ends it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that a step takes: once for the weights, and for each token, sequence and patch in it.

    ``context_token`` is for each token of context that a writing sequence looks back on.
    """

    step: float = 0.0
    prompt_token: float = 0.0
    patch: float = 0.0
    sequence: float = 0.0
    context_token: float = 0.0

    def of_step(self, patches: int, prompt_tokens: int, sequences: int, context: int) -> float:
        """Seconds of a step that reads so much and writes a token to each of so many sequences."""
        seconds = self.step + patches * self.patch + prompt_tokens * self.prompt_token
        return seconds + sequences * self.sequence + context * self.context_token

    def stretched(self, factor: float) -> Timing:
        """The same device, so many times slower."""
        return Timing(
            self.step * factor,
            self.prompt_token * factor,
            self.patch * factor,
            self.sequence * factor,
            self.context_token * factor,
        )


@dataclass(frozen=True, slots=True)
class FakeLimits:
    """As the torch engine's ``EngineSettings``; ``context_tokens`` is what one request may hold.

    New requests wait until ``join_at_once`` places are free: each step that reads prompts costs its launches anew.
    """

    cache_tokens: int = 1_000_000
    most_sequences: int = 32
    join_at_once: int = 1
    tokens_per_step: int = 1024
    context_tokens: int = 131_072


@dataclass(eq=False, slots=True)
class _Sequence:
    """A request being served; ``read`` of its prompt's tokens are in the cache."""

    request: Request
    script: tuple[int, ...]
    read: int
    shared: int
    seen: bool = False  # whether its pictures are encoded
    ids: list[int] = field(default_factory=list)

    @property
    def writing(self) -> bool:
        return self.read == len(self.request.ids)

    @property
    def room(self) -> int:
        """Tokens of cache that it may ever take for itself."""
        return _total(self.request) - self.shared


class FakeEngine:
    """See :class:`~folioscope.model.engine.interface.Engine`. ``pause`` lets a step's time pass; a test's does not."""

    def __init__(
        self,
        script: Script,
        timing: Timing | None = None,
        limits: FakeLimits | None = None,
        *,
        pause: Callable[[float], None] = time.sleep,
        logprob: float = 0.0,
    ) -> None:
        self._script = script
        self._timing = timing or Timing()
        self._limits = limits or FakeLimits()
        self._pause = pause
        self._logprob = logprob
        self._waiting: deque[Request] = deque()
        self._running: list[_Sequence] = []
        self._prefixes: dict[str, bool] = {}  # whether each is computed
        self.counters = Counters()

    def submit(self, request: Request) -> None:
        """Queue a request. Raises :class:`RequestError`."""
        total, most = _total(request), min(self._limits.context_tokens, self._limits.cache_tokens)
        if not request.ids or request.sampling.max_new_tokens < 1:
            raise RequestError(f"Request {request.key}: a prompt and room for at least one new token are needed.")
        if total > most:
            raise RequestError(f"Request {request.key}: {total} tokens pass the {most} of this engine.")
        self._waiting.append(request)
        self.counters.requests += 1

    @property
    def most_sequences(self) -> int:
        return self._limits.most_sequences

    @property
    def unfinished(self) -> int:
        return len(self._waiting) + len(self._running)

    def clear(self) -> None:
        self._waiting.clear()
        self._running.clear()
        self._prefixes = {key: True for key, computed in self._prefixes.items() if computed}

    def forget(self, prefix_key: str) -> None:
        self._prefixes.pop(prefix_key, None)

    @property
    def prefixes(self) -> int:
        """How many are remembered."""
        return len(self._prefixes)

    def step(self) -> list[Completion]:
        self._admit()
        if not self._running:
            return []
        writing = [sequence for sequence in self._running if sequence.writing]
        context = sum(len(sequence.request.ids) + len(sequence.ids) for sequence in writing)
        patches, prompt_tokens, ready = self._read_prompts(self._limits.tokens_per_step - len(writing))
        seconds = self._timing.of_step(patches, prompt_tokens, len(writing), context)
        if seconds:
            self._pause(seconds)
        self.counters.steps += 1
        self.counters.busy_seconds += seconds
        self.counters.most_sequences = max(self.counters.most_sequences, len(self._running))
        found = [self._write(sequence) for sequence in (*writing, *ready)]
        return [completion for completion in found if completion is not None]

    def _admit(self) -> None:
        """Move to running what fits, in order; requests whose prefix is being computed are passed over."""
        if self._running and self._limits.most_sequences - len(self._running) < self._limits.join_at_once:
            return
        passed: list[Request] = []
        used = sum(sequence.room for sequence in self._running)
        while self._waiting and len(self._running) < self._limits.most_sequences:
            request = self._waiting.popleft()
            key = request.prefix_key
            if key is not None and self._prefixes.get(key) is False:
                passed.append(request)
                continue
            shared = request.prefix_tokens if key is not None and key in self._prefixes else 0
            sequence = _Sequence(request, tuple(self._script(request)), shared, shared, seen=shared > 0)
            if used + sequence.room > self._limits.cache_tokens:
                self._waiting.appendleft(request)
                break
            used += sequence.room
            if key is not None:
                self._prefixes.setdefault(key, False)
            self.counters.prompt_tokens_shared += shared
            self._running.append(sequence)
        self._waiting.extendleft(reversed(passed))

    def _read_prompts(self, budget: int) -> tuple[int, int, list[_Sequence]]:
        """Read pieces of prompts: (patches encoded, tokens read, sequences that now want their first token)."""
        patches = tokens = 0
        ready: list[_Sequence] = []
        for sequence in self._running:
            request = sequence.request
            if sequence.writing or tokens >= max(1, budget):
                continue
            if not sequence.seen:
                sequence.seen = True
                patches += sum(picture.rows * picture.columns for picture in request.pictures)
                self.counters.images_encoded += len(request.pictures)
            piece = min(len(request.ids) - sequence.read, max(1, budget) - tokens)
            sequence.read += piece
            tokens += piece
            if request.prefix_key is not None and sequence.read >= request.prefix_tokens:
                self._prefixes[request.prefix_key] = True
            if sequence.writing:
                ready.append(sequence)
        self.counters.patches_encoded += patches
        self.counters.prompt_tokens_computed += tokens
        return patches, tokens, ready

    def _write(self, sequence: _Sequence) -> Completion | None:
        """Give a sequence its next token; its completion where that ends it."""
        request, ids = sequence.request, sequence.ids
        self.counters.output_tokens += 1
        if len(ids) == len(sequence.script):
            return self._end(sequence, "stop", len(ids))
        ids.append(sequence.script[len(ids)])
        if is_due(len(ids)) and (kept := looped(request, ids)) is not None:
            self.counters.loops_cut += 1
            return self._end(sequence, "loop", kept)
        if len(ids) == request.sampling.max_new_tokens:
            return self._end(sequence, "length", len(ids))
        return None

    def _end(self, sequence: _Sequence, reason: FinishReason, kept: int) -> Completion:
        self._running.remove(sequence)
        request = sequence.request
        saved = request.sampling.max_new_tokens - len(sequence.ids) if reason == "loop" else 0
        self.counters.tokens_saved += saved
        return Completion(
            key=request.key,
            ids=tuple(sequence.ids[:kept]),
            finish_reason=reason,
            computed_tokens=len(request.ids) - sequence.shared,
            mean_logprob=self._logprob,
            min_logprob=self._logprob,
            saved_tokens=saved,
        )


def _total(request: Request) -> int:
    return len(request.ids) + request.sampling.max_new_tokens
