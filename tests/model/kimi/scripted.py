"""A Kimi-VL replica over an engine that says what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable

from folioscope.model.dialects.base import Dialect
from folioscope.model.dialects.kimi_vl import KimiVlDialect
from folioscope.model.engine.interface import Completion, Counters, FinishReason, Request
from folioscope.model.kimi.replica import KimiReplica
from folioscope.model.kimi.token_conversation import TokenConversation
from folioscope.model.kimi.variants import INSTRUCT
from folioscope.model.kimi_vl import KimiVLProcessor

Reply = str | tuple[str, FinishReason, float]
Script = Callable[[str, Request], Reply]


class Scripted:
    """An engine that answers each prompt with what a script says; keeps the prompts."""

    most_sequences = 32

    def __init__(self, processor: KimiVLProcessor, script: Script) -> None:
        self.counters = Counters()
        self.prompts: list[str] = []
        self.requests: list[Request] = []
        self.forgotten: list[str] = []
        self._tokenizer = processor.tokenizer
        self._script = script
        self._queue: list[Request] = []

    def submit(self, request: Request) -> None:
        self._queue.append(request)

    @property
    def unfinished(self) -> int:
        return len(self._queue)

    def clear(self) -> None:
        self._queue.clear()

    def forget(self, prefix_key: str) -> None:
        self.forgotten.append(prefix_key)

    def step(self) -> list[Completion]:
        request = self._queue.pop(0)
        prompt = self._tokenizer.decode(
            [i for i in request.ids if i != self._tokenizer.special_token_ids["<|media_pad|>"]]
        )
        self.prompts.append(prompt)
        self.requests.append(request)
        reply = self._script(prompt, request)
        text, reason, logprob = reply if isinstance(reply, tuple) else (reply, "stop", -0.1)
        ids = tuple(self._tokenizer.encode_text(text))
        return [Completion(request.key, ids, reason, len(request.ids), logprob)]


def replica_of(
    processor: KimiVLProcessor, script: Script, context: int = 100_000, dialect: Dialect | None = None
) -> tuple[KimiReplica, Scripted]:
    engine = Scripted(processor, script)
    conversation = TokenConversation(processor)
    return KimiReplica(engine, conversation, dialect or KimiVlDialect(), INSTRUCT, context), engine
