"""The Kimi-VL replica: a checkpoint, its processor and an engine behind the three tasks.

Loading the published weights takes 33 GB of device memory and minutes; it is tried three times, then the actor fails
and Ray starts another. An engine that raises takes its actor along: nothing half-alive is kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import tenacity

from model.engine.interface import Engine, Sampling
from model.kimi.conversation import Conversation
from model.kimi.prompts import prompt_hash
from model.kimi.reading import HOTTER, POOR_LOGPROB, Reader
from model.kimi.understanding import Limits, Understander
from model.load import EngineName
from model.protocol import Answer, DocumentText, PageInput, Question, Reading, ReplicaDescription, Summary, Task

LARGE_BYTES = 4 << 30  # weights beyond this want a GPU
CACHE_SHARE = 0.85  # of the device memory that is free once the model is loaded
CPU_CACHE_BYTES = 1 << 30
_SETTINGS_FILES = ("config.json", "preprocessor_config.json", "tokenizer_config.json", "chat_template.jinja")
_INDEXES = ("model.safetensors.index.json", "model.safetensors")


class CheckpointNotFoundError(ValueError):
    """Nothing that could be a Kimi-VL checkpoint lies there."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a variant is asked: Thinking models think first, warmer and longer."""

    read: Sampling
    summary: Sampling
    answer: Sampling


INSTRUCT = Behaviour(Sampling(4096), Sampling(1536), Sampling(768))
THINKING = Behaviour(Sampling(12_288, 0.8), Sampling(12_288, 0.8), Sampling(12_288, 0.8))


def behaviour_of(name: str) -> Behaviour:
    return THINKING if "thinking" in name.casefold() else INSTRUCT


def describe_kimi(name: str) -> ReplicaDescription:
    """Raises :class:`CheckpointNotFoundError`. Reads settings files, and of the weights their index alone."""
    location, revision = resolve(name, weights=False)
    digest, weight_bytes = _fingerprint(location)
    behaviour = behaviour_of(name)
    samplings: dict[Task, Sampling] = {
        "read": behaviour.read,
        "summarize": behaviour.summary,
        "answer": behaviour.answer,
    }
    retries = f"{HOTTER} {POOR_LOGPROB}"
    settings = {
        task: {"prompt": prompt_hash(task), "sampling": repr(sampling), "retries": retries}
        for task, sampling in samplings.items()
    }
    large = weight_bytes > LARGE_BYTES
    return ReplicaDescription(
        name=f"kimi-vl:{Path(name.partition('@')[0]).name}",
        revision=revision or digest,
        reads_layer=False,
        settings=settings,
        num_cpus=1.0,
        num_gpus=1.0 if large else 0.0,
        looks=True,
    )


def load_kimi(name: str, engine: EngineName) -> KimiReplica:
    """Raises what loading raised the third time."""
    location, _ = resolve(name, weights=True)
    retry = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_exponential_jitter(1, 30),
        retry=tenacity.retry_if_exception_type(OSError),
        reraise=True,
    )
    return retry(_load, location, engine, behaviour_of(name))


def _load(location: str, engine_name: EngineName, behaviour: Behaviour) -> KimiReplica:
    from model.kimi_vl import KimiVLProcessor

    conversation = Conversation(KimiVLProcessor.from_pretrained(location))
    engine, context = make_engine(location, engine_name)
    return KimiReplica(engine, conversation, behaviour, context)


def make_engine(location: str, name: EngineName) -> tuple[Engine, int]:
    """(engine, tokens that one request may hold) for a checkpoint."""
    if name == "vllm":
        from model.engine.vllm_engine import VllmEngine

        vllm = VllmEngine(location)
        return vllm, vllm.context_tokens
    from model.engine.torch_engine import EngineSettings, TorchEngine
    from model.kimi_vl import checkpoint

    model = checkpoint.load(location)
    cache_tokens = _cache_tokens(model)
    context = min(model.config.text_config.max_position_embeddings, cache_tokens - 64)
    return TorchEngine(model, EngineSettings(cache_tokens=cache_tokens)), context


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
        self._understander = Understander(
            engine, conversation, Limits(context_tokens, behaviour.summary, behaviour.answer)
        )

    def read(self, pages: Sequence[PageInput]) -> list[Reading]:
        return self._reader.read(pages)

    def summarize(self, document: DocumentText) -> Summary:
        return self._understander.summarize(document)

    def answer(self, document: DocumentText, questions: Sequence[Question]) -> list[Answer]:
        return self._understander.answer(document, questions)


def resolve(name: str, *, weights: bool) -> tuple[str, str | None]:
    """(directory or URL, revision where one is pinned). Fetches from the hub what is not there yet.

    Raises :class:`CheckpointNotFoundError`.
    """
    if "://" in name or Path(name).is_dir():
        return name, None
    repository, _, revision = name.partition("@")
    if name.startswith((".", "/", "~")) or repository.count("/") != 1:
        raise CheckpointNotFoundError("there is no such directory")
    if not revision:
        raise CheckpointNotFoundError(
            "there is no such directory; for a model of the hub pin its revision: owner/name@revision, so that a later "
            "run means the same weights"
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    patterns = None if weights else [*_SETTINGS_FILES, "generation_config.json", "tiktoken.model", "*.index.json"]
    try:
        return snapshot_download(repository, revision=revision, allow_patterns=patterns), revision
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointNotFoundError(f"it is neither a directory nor to be had from the hub ({error})") from error


def _fingerprint(location: str) -> tuple[str, int]:
    """(hash of the settings and of which weights there are, bytes of weights)."""
    filesystem, root = fsspec.url_to_fs(location)
    digest = hashlib.sha256()
    if not filesystem.exists(f"{root}/config.json"):
        raise CheckpointNotFoundError("it holds no config.json, so it is no checkpoint directory")
    for file_name in _SETTINGS_FILES:
        path = f"{root}/{file_name}"
        if filesystem.exists(path):
            digest.update(file_name.encode() + b"\0" + filesystem.cat_file(path))
    for file_name in _INDEXES:
        path = f"{root}/{file_name}"
        if filesystem.exists(path):
            return _with_weights(digest.copy(), filesystem, path)
    raise CheckpointNotFoundError(f"it holds neither {' nor '.join(_INDEXES)}")


def _with_weights(digest: Any, filesystem: Any, path: str) -> tuple[str, int]:
    """The index says which weights there are; a single file is told by its size and its header."""
    size = int(filesystem.info(path)["size"])
    if path.endswith(".json"):
        content = filesystem.cat_file(path)
        size = int(json.loads(content).get("metadata", {}).get("total_size", 0))
    else:
        content = filesystem.cat_file(path, start=0, end=min(size, 1 << 20))
    digest.update(content)
    return digest.hexdigest()[:12], size
