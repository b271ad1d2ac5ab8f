"""Plain prompts through a conversation and an engine: prepared by threads, many with the engine at the same time.

Memory is that of the pictures of as many prompts as the engine serves at once, half as many again beside it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from folioscope.model.completing import ModelPrompt, ModelReply
from folioscope.model.engine.interface import Completion, Engine, Sampling, clearing
from folioscope.model.kimi.conversation import Conversation, Prompt, TruncatedThoughtError, request_for
from folioscope.model.protocol import Usage

BACKLOG = 1.5  # prompts in preparation or with the engine, for each that it serves at once
PREPARERS = 2


@dataclass(slots=True)
class _Flow:
    coming: Iterator[ModelPrompt | None]
    ended: bool = False
    preparing: deque[tuple[ModelPrompt, Future[Prompt]]] = field(default_factory=deque)
    asked: dict[str, ModelPrompt] = field(default_factory=dict)

    @property
    def held(self) -> int:
        return len(self.preparing) + len(self.asked)


class Completer:
    """``sampling`` gives temperature and seed, and where a model thinks the least room for an answer."""

    def __init__(self, engine: Engine, conversation: Conversation, sampling: Sampling, *, thinks: bool = False) -> None:
        self._engine = engine
        self._conversation = conversation
        self._sampling = sampling
        self._thinks = thinks
        self._number = 0
        self._threads = ThreadPoolExecutor(PREPARERS, thread_name_prefix="complete")

    def complete(self, prompts: Iterable[ModelPrompt | None]) -> Iterator[ModelReply]:
        """See :class:`folioscope.model.completing.Completing`."""
        flow = _Flow(iter(prompts))
        since = time.perf_counter()
        try:
            with clearing(self._engine):
                while self._take_in(flow) or flow.held:
                    replies = self._submit(flow)
                    if flow.asked:
                        replies += [self._reply(flow, completion) for completion in self._engine.step()]
                    for reply in replies:
                        now = time.perf_counter()
                        yield replace(reply, usage=replace(reply.usage, seconds=now - since))
                        since = now
        finally:
            for _, prompt in flow.preparing:
                prompt.cancel()

    def _take_in(self, flow: _Flow) -> bool:
        """Take prompts as there is room and as they are ready; False once all are taken."""
        while not flow.ended and flow.held < max(1.0, BACKLOG * self._engine.most_sequences):
            try:
                prompt = next(flow.coming)
            except StopIteration:
                flow.ended = True
                break
            if prompt is None:
                break
            flow.preparing.append((prompt, self._threads.submit(self._prepared, prompt)))
        return not flow.ended

    def _prepared(self, prompt: ModelPrompt) -> Prompt:
        items = list(prompt.items)
        last = items.pop() if items and isinstance(items[-1], str) else ""
        return self._conversation.prompt(self._conversation.share(items), str(last))

    def _submit(self, flow: _Flow) -> list[ModelReply]:
        """Give the engine what is prepared; wait only where it has nothing else. What is refused is a reply already."""
        refused: list[ModelReply] = []
        while flow.preparing and (flow.preparing[0][1].done() or not flow.asked):
            prompt, made = flow.preparing.popleft()
            self._number += 1
            key = f"complete-{self._number}"
            room = max(prompt.max_new_tokens, self._sampling.max_new_tokens if self._thinks else 0)
            try:
                sampling = replace(self._sampling, max_new_tokens=room)
                self._engine.submit(request_for(self._conversation, key, made.result(), sampling))
            except Exception as error:  # noqa: BLE001  pictures may raise anything, and a request may never fit
                refused.append(ModelReply(prompt.key, None, error))
                continue
            flow.asked[key] = prompt
        return refused

    def _reply(self, flow: _Flow, completion: Completion) -> ModelReply:
        key = flow.asked.pop(completion.key).key
        usage = Usage(completion.computed_tokens, completion.output_tokens)
        if completion.error is not None:
            return ModelReply(key, None, completion.error, usage=usage)
        try:
            text, thoughts = self._conversation.answer(completion)
        except TruncatedThoughtError as error:
            return ModelReply(key, None, error, usage=usage)
        return ModelReply(key, text, None, thoughts, usage)
