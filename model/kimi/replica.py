"""The Kimi-VL replica: a checkpoint, its processor and an engine behind the three tasks.

Loading the published weights takes 33 GB of device memory and minutes. After an error in the middle of a call the
engine is cleared and serves on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from model.engine.interface import Engine, EngineName
from model.kimi.asking import Asker, Limits
from model.kimi.conversation import Conversation
from model.kimi.description import Behaviour, behaviour_of, resolve
from model.kimi.films import FilmUnderstander
from model.kimi.local_copy import local_copy
from model.kimi.reading import Reader
from model.kimi.understanding import Understander
from model.kimi_vl import KimiVLProcessor
from model.protocol import (
    Answer,
    AssetText,
    FilmText,
    Question,
    Reading,
    SegmentInput,
    Summary,
)

CACHE_SHARE = 0.85  # of the device memory that is free once the model is loaded
CPU_CACHE_BYTES = 1 << 30


def load_kimi(name: str, engine: EngineName) -> KimiReplica:
    """Raises ``CheckpointNotFoundError``, ``CheckpointError``, and ``OSError`` where a store or the hub stumbles."""
    location, _ = resolve(name, weights=True)
    conversation = Conversation(KimiVLProcessor.from_pretrained(location))
    made, context = make_engine(location, engine)
    return KimiReplica(made, conversation, behaviour_of(name), context)


def make_engine(location: str, name: EngineName) -> tuple[Engine, int]:
    """(engine, tokens that one request may hold) for a checkpoint."""
    if name == "vllm":
        from model.engine.vllm_engine import VllmEngine

        vllm = VllmEngine(str(local_copy(location)))
        return vllm, vllm.context_tokens
    from model.engine.torch_engine import EngineSettings, TorchEngine
    from model.kimi_vl import checkpoint

    model = checkpoint.load(location)
    cache_tokens = _cache_tokens(model)
    context = min(model.config.text_config.max_position_embeddings, cache_tokens - 64)
    on_cuda = model.device.type == "cuda"
    settings = EngineSettings.for_cuda(cache_tokens) if on_cuda else EngineSettings(cache_tokens)
    return TorchEngine(model, settings), context


def _cache_tokens(model: Any) -> int:
    """Tokens of cache that the device has room for beside the model and the activations of a step."""
    import torch

    text = model.config.text_config
    token_bytes = text.num_hidden_layers * text.latent_width * model.dtype.itemsize
    room = CPU_CACHE_BYTES
    if model.device.type == "cuda":
        room = int(torch.cuda.mem_get_info(model.device)[0] * CACHE_SHARE)
    return int(min(room // token_bytes, 64 * text.max_position_embeddings))


class KimiReplica:
    """See :class:`model.protocol.Replica`."""

    def __init__(self, engine: Engine, conversation: Conversation, behaviour: Behaviour, context_tokens: int) -> None:
        self.engine = engine
        self._reader = Reader(engine, conversation, behaviour.read)
        asker = Asker(engine, conversation)
        limits = Limits(context_tokens, behaviour.summary, behaviour.answer)
        self._understander = Understander(asker, conversation, limits)
        self._film_understander = FilmUnderstander(asker, conversation, limits)

    def read(self, segments: Iterable[SegmentInput | None]) -> Iterator[Reading | Exception]:
        return self._reader.read(segments)

    def summarize(self, asset: AssetText) -> Summary:
        if isinstance(asset, FilmText):
            return self._film_understander.summarize(asset)
        return self._understander.summarize(asset)

    def answer(self, asset: AssetText, questions: Sequence[Question]) -> list[Answer]:
        if isinstance(asset, FilmText):
            return self._film_understander.answer(asset, questions)
        return self._understander.answer(asset, questions)
