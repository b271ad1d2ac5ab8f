"""The replica of a vision-language model: an engine, a conversation and a dialect behind the tasks.

After an error in the middle of a call the engine is cleared and serves on. Loads no torch by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from folioscope.model.completing import ModelPrompt, ModelReply
from folioscope.model.dialects.base import Dialect
from folioscope.model.engine.interface import Engine
from folioscope.model.kimi.asking import Limits
from folioscope.model.kimi.completing import Completer
from folioscope.model.kimi.conversation import Conversation
from folioscope.model.kimi.reading import Reader
from folioscope.model.kimi.tasks import FormInquiry
from folioscope.model.kimi.understanding import Understander
from folioscope.model.kimi.variants import Behaviour
from folioscope.model.protocol import (
    AssetTasks,
    Reading,
    SegmentInput,
    Understanding,
)


class KimiReplica:
    """See :class:`folioscope.model.protocol.Replica`."""

    def __init__(
        self,
        engine: Engine,
        conversation: Conversation,
        dialect: Dialect,
        behaviour: Behaviour,
        context_tokens: int,
    ) -> None:
        self.engine = engine
        self._reader = Reader(engine, conversation, dialect, behaviour.read)
        limits = Limits(context_tokens, behaviour.summary, behaviour.answer)
        # A schema would keep a model from thinking, where no server tells thoughts and answer apart.
        schemas = not behaviour.thinks or conversation.decode is None
        inquiry_of = partial(FormInquiry, conversation=conversation, limits=limits)
        self._understander = Understander(engine, conversation, inquiry_of, schemas=schemas)
        self._completer = Completer(engine, conversation, behaviour.answer, thinks=behaviour.thinks)

    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        return self._reader.read(segments)

    def understand(self, tasks: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
        return self._understander.understand(tasks)

    def complete(self, prompts: Iterable[ModelPrompt | None]) -> Iterator[ModelReply]:
        """See :class:`folioscope.model.completing.Completing`."""
        return self._completer.complete(prompts)
