"""Servers that speak OpenAI's chat completions (vLLM, SGLang, hosted models) behind our interface.

A thread of its own holds the connections; the caller submits and collects. Each server is given as many requests as it
takes (``concurrency.py``). What may pass is tried again, with back-off or when the server says: refusals, broken and
stalled connections, errors of the server, nonsense. A request that keeps failing fails alone. Answers are streamed, so
that one that repeats itself is cut early. No GPU; a few milliseconds of CPU a request.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from folioscope.model.engine.concurrency import FIRST, MOST, ConcurrencyLimit
from folioscope.model.engine.interface import Completion, Counters, Request, RequestError
from folioscope.model.engine.openai_connection import Connection, Patience, TryAgainError
from folioscope.model.engine.openai_servers import Server
from folioscope.model.engine.openai_wire import Answer
from folioscope.model.protocol import UnavailableError

STEP_SECONDS = 0.05  # that a step waits for an answer


@dataclass(eq=False, slots=True)
class _Job:
    """``failures`` in all, of which ``tries`` count; ``generation`` tells it from those that were dropped."""

    request: Request
    generation: int
    begun: float
    failures: int = 0
    tries: int = 0
    refused_since: float | None = None
    task: asyncio.Task[None] | None = None


class OpenAiEngine:
    """See :class:`folioscope.model.engine.interface.Engine`."""

    def __init__(self, servers: Sequence[Server], patience: Patience | None = None, *, most: int = MOST) -> None:
        """``most`` is how many requests a server may ever be given at once."""
        self._patience = patience or Patience()
        self._connections = [
            Connection(server, self._patience, ConcurrencyLimit(min(FIRST, most), most)) for server in servers
        ]
        self._keys: set[str] = set()  # of requests, unfinished
        self._generation = 0
        self._done: queue.SimpleQueue[tuple[int, Completion]] = queue.SimpleQueue()
        self._pending: deque[_Job] = deque()  # this and the next are touched by the thread alone
        self._running: set[_Job] = set()
        self._loop = asyncio.new_event_loop()
        self.counters = Counters()
        threading.Thread(target=self._loop.run_forever, name="servers", daemon=True).start()

    def __reduce__(self) -> NoReturn:
        raise TypeError("An engine that holds keys is not pickled.")

    @property
    def most_sequences(self) -> int:
        """What the servers are given at once by now; it grows as they prove to take more."""
        return sum(connection.limit.limit for connection in self._connections)

    @property
    def unfinished(self) -> int:
        return len(self._keys)

    def submit(self, request: Request) -> None:
        """Queue a request. Raises :class:`RequestError`."""
        if not request.turns:
            raise RequestError(f"Request {request.key}: servers take turns of a chat, and it has none.")
        self._keys.add(request.key)
        self.counters.requests += 1
        self.counters.images_encoded += sum(not isinstance(i, str) for turn in request.turns for i in turn.items)
        job = _Job(request, self._generation, time.monotonic())
        self._loop.call_soon_threadsafe(self._enqueue, job)

    def step(self) -> list[Completion]:
        """Wait a little for answers, and give those that have come."""
        if not self._keys:
            return []
        begun = time.perf_counter()
        found: list[tuple[int, Completion]] = []
        try:
            found.append(self._done.get(timeout=STEP_SECONDS))
            while True:
                found.append(self._done.get_nowait())
        except queue.Empty:
            pass
        self.counters.steps += 1
        self.counters.most_sequences = max(self.counters.most_sequences, len(self._keys))
        self.counters.busy_seconds += time.perf_counter() - begun
        completions = [completion for generation, completion in found if generation == self._generation]
        self._keys.difference_update(completion.key for completion in completions)
        return completions

    def clear(self) -> None:
        self._keys.clear()
        self._generation += 1
        self._loop.call_soon_threadsafe(self._drop_all)

    def forget(self, prefix_key: str) -> None:
        """Servers give up their caches by themselves."""

    # From here on in the thread of the connections.

    def _enqueue(self, job: _Job) -> None:
        self._pending.append(job)
        self._start_jobs()

    def _drop_all(self) -> None:
        self._pending = deque(job for job in self._pending if job.generation == self._generation)
        for job in self._running:
            if job.task is not None and job.generation != self._generation:
                job.task.cancel()

    def _start_jobs(self) -> None:
        while self._pending and (connection := self._free()) is not None:
            job = self._pending.popleft()
            connection.limit.begin(time.monotonic())
            self._running.add(job)
            job.task = self._loop.create_task(self._serve(job, connection))

    def _free(self) -> Connection | None:
        """The server with the most room. One that was not there is given a single request, until it answers."""
        now = time.monotonic()
        ready = [c for c in self._connections if c.limit.has_room and c.paused_until <= now]
        there = [c for c in ready if c.absent_since is None] or [c for c in ready if not c.limit.in_flight]
        return min(there, key=lambda c: c.limit.in_flight / c.limit.limit, default=None)

    async def _serve(self, job: _Job, connection: Connection) -> None:
        """One try of a job; its end, or another try later."""
        work = 0.0
        completion: Completion | None = None
        again: TryAgainError | None = None
        try:
            async with asyncio.timeout(self._patience.answer):
                answer = await connection.ask(job.request)
            work = float((answer.prompt_tokens or 0) + answer.tokens + 1)
            completion = self._completion(job.request, answer)
        except TryAgainError as error:
            again = error
        except TimeoutError:
            again = TryAgainError(f"it gave no answer within {self._patience.answer:.0f} s")
        except Exception as error:  # noqa: BLE001  a request that fails by itself must be told of, whatever it was
            why = connection.hide(f"{connection.server.host}: {error}")
            completion = _failed(job.request, RequestError(why))
        finally:
            connection.limit.end(time.monotonic(), work)
            self._running.discard(job)
        if again is not None:
            completion = self._again(job, connection, again)
        if completion is not None:
            self._done.put((job.generation, completion))
        self._start_jobs()

    def _again(self, job: _Job, connection: Connection, error: TryAgainError) -> Completion | None:
        """Have a job tried again later; its failure where patience is over."""
        now, patience = time.monotonic(), self._patience
        job.failures += 1
        wait = min(patience.longest_wait, patience.first_wait * 2 ** min(20, job.failures - 1))
        wait = max(error.wait or 0.0, wait * random.uniform(0.5, 1.0))
        if error.refused:
            connection.limit.refuse()
            if not connection.limit.in_flight:  # it takes nothing at all now
                connection.paused_until = now + wait
        if error.free:
            job.refused_since = job.refused_since or now
            over = now - min(job.refused_since, connection.absent_since or now) > patience.absence
        else:
            job.tries, job.refused_since = job.tries + 1, None
            over = job.tries >= patience.tries
        if over:
            why = connection.hide(f"{connection.server.host}: {error}; given up after {now - job.begun:.0f} s")
            return _failed(job.request, UnavailableError(why))
        self._loop.call_later(wait, self._retry, job)
        return None

    def _retry(self, job: _Job) -> None:
        if job.generation == self._generation:
            self._pending.appendleft(job)
            self._start_jobs()

    def _completion(self, request: Request, answer: Answer) -> Completion:
        looped = answer.finish_reason == "loop"
        saved = max(0, request.sampling.max_new_tokens - answer.tokens) if looped else 0
        prompt, counters = answer.prompt_tokens or 0, self.counters
        counters.prompt_tokens_computed += prompt - answer.cached_tokens
        counters.prompt_tokens_shared += answer.cached_tokens
        counters.output_tokens += answer.tokens
        counters.loops_cut += looped
        counters.tokens_saved += saved
        return Completion(
            key=request.key,
            ids=(),
            finish_reason=answer.finish_reason or "stop",
            computed_tokens=prompt,
            mean_logprob=answer.mean_logprob,
            saved_tokens=saved,
            text=self._hide(answer.text),
            thoughts=self._hide(answer.thoughts.text) or None,
            tokens=answer.tokens,
            min_logprob=answer.min_logprob,
        )

    def _hide(self, text: str) -> str:
        for connection in self._connections:
            text = connection.hide(text)
        return text


def _failed(request: Request, error: Exception) -> Completion:
    return Completion(request.key, (), "failed", 0, None, text="", tokens=0, error=error)
