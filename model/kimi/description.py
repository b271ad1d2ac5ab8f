"""What the driver must know of a vision-language model: where it is, which weights it holds, and how it is asked.

Reads settings files and samples of the weights; loads neither torch nor the model.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import fsspec

from folioscope.model.choice import ChoiceError, ModelChoice
from folioscope.model.dialects.base import Dialect
from folioscope.model.dialects.choice import dialect_of
from folioscope.model.engine.interface import Sampling
from folioscope.model.kimi.conversation import POOR_LOGPROB
from folioscope.model.kimi.foreign import MODEL_TYPE, what_it_is
from folioscope.model.kimi.prompts import (
    OF_DOCUMENTS,
    OF_VIDEOS,
    Prompts,
    prompt_hash,
    words_hash,
)
from folioscope.model.kimi.quantized import format_of, refuse_unloadable
from folioscope.model.kimi.variants import Behaviour, behaviour_of, variant_of
from folioscope.model.protocol import ReplicaDescription, Task

LARGE_BYTES = 4 << 30  # weights beyond this want a GPU
HOTTER: Final = (0.4, 0.8)  # temperatures of the tries after a loop
_SETTINGS_FILES = ("config.json", "preprocessor_config.json", "tokenizer_config.json", "chat_template.jinja")
_INDEX, _SINGLE = "model.safetensors.index.json", "model.safetensors"
_SAMPLE_BYTES = 1 << 20


class CheckpointNotFoundError(ChoiceError):
    """Nothing that could be a Kimi-VL checkpoint lies there."""


def describe_kimi(choice: ModelChoice) -> ReplicaDescription:
    """Raises ``ChoiceError``: there is no checkpoint, no engine for it, or no such dialect."""
    try:
        return _describe_checkpoint(choice)
    except CheckpointNotFoundError as error:
        raise CheckpointNotFoundError(f"--model {choice.name}: {error}") from error


def _describe_checkpoint(choice: ModelChoice) -> ReplicaDescription:
    location, revision = resolve(choice.name, weights=False)
    filesystem, root = fsspec.url_to_fs(location)
    if found := what_it_is(filesystem, root):
        raise CheckpointNotFoundError(f"{found}; what is expected is a Kimi-VL checkpoint (model type {MODEL_TYPE})")
    refuse_unloadable(choice.engine, format_of(filesystem, root), choice.name)
    if revision is None:
        revision, weight_bytes = fingerprint(location)
    else:
        weight_bytes = _total_bytes(filesystem, root)
    variant = choice.variant or variant_of(filesystem, root, choice.name)
    large = weight_bytes > LARGE_BYTES
    if large and choice.gpus is not None and 0 < choice.gpus < 1:
        raise ChoiceError(
            f"--gpus-per-replica {choice.gpus:g}: two such replicas would share one GPU, and each takes all of its "
            "memory for its cache. Give 1 or more; one replica serves many pages at once."
        )
    return describe(
        f"kimi-vl:{Path(choice.name.partition('@')[0]).name}",
        revision,
        behaviour_of(variant),
        dialect_of(choice, "kimi-vl"),
        num_gpus=1.0 if large else 0.0,
    )


def describe(
    name: str, revision: str, behaviour: Behaviour, dialect: Dialect, *, num_gpus: float, num_cpus: float = 1.0
) -> ReplicaDescription:
    """A replica that reads in a dialect, and understands with our own words where its model can."""
    samplings: dict[Task, Sampling] = {
        "read": dialect.sampling or behaviour.read,
        "summarize": behaviour.summary,
        "answer": behaviour.answer,
    }
    retries = f"{HOTTER} {POOR_LOGPROB}"

    def settings(prompts: Prompts) -> dict[Task, dict[str, str]]:
        return {
            task: {"prompt": prompt_hash(prompts, task), "sampling": repr(sampling), "retries": retries}
            for task, sampling in samplings.items()
        }

    of_documents = settings(OF_DOCUMENTS)
    of_documents["read"] |= {"dialect": f"{dialect.name} {dialect.version}", "words": words_hash(dialect.prompt)}
    return ReplicaDescription(
        name=name,
        revision=revision,
        reads_layer=False,
        settings=of_documents,
        video_settings=settings(OF_VIDEOS),
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        looks=True,
        batches=True,
        tasks=("read",) if dialect.reads_only else ("read", "summarize", "answer"),
    )


def resolve(name: str, *, weights: bool) -> tuple[str, str | None]:
    """(directory or URL, the hub's commit where it comes from there). Fetches from the hub what is not there yet.

    Raises :class:`CheckpointNotFoundError`, and ``OSError`` where the hub stumbles.
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
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    patterns = None if weights else [*_SETTINGS_FILES, "generation_config.json", "tiktoken.model", _INDEX]
    try:
        folder = snapshot_download(repository, revision=revision, allow_patterns=patterns)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise CheckpointNotFoundError(f"it is neither a directory nor to be had from the hub ({error})") from error
    except LocalEntryNotFoundError as error:
        raise ConnectionError(f"the hub cannot be reached, and {name} is not in its cache here") from error
    return folder, Path(folder).name  # snapshots lie under their commit, also where a branch was named


def fingerprint(location: str) -> tuple[str, int]:
    """(hash of the settings and of samples of all weights, bytes of weights).

    Weights that were trained further have the same names, shapes and sizes: only their content tells them apart.
    Raises :class:`CheckpointNotFoundError`.
    """
    filesystem, root = fsspec.url_to_fs(location)
    digest = hashlib.sha256()
    if not filesystem.exists(f"{root}/config.json"):
        raise CheckpointNotFoundError("it holds no config.json, so it is no checkpoint directory")
    for file_name in _SETTINGS_FILES:
        if filesystem.exists(f"{root}/{file_name}"):
            digest.update(file_name.encode() + b"\0" + filesystem.cat_file(f"{root}/{file_name}"))
    total = 0
    for shard in _shards(filesystem, root):
        size = int(filesystem.info(shard)["size"])
        total += size
        for start in (0, size // 2, max(0, size - _SAMPLE_BYTES)):
            digest.update(filesystem.cat_file(shard, start=start, end=min(size, start + _SAMPLE_BYTES)))
    return digest.hexdigest()[:12], total


def _shards(filesystem: Any, root: str) -> list[str]:
    if filesystem.exists(f"{root}/{_INDEX}"):
        names = sorted(set(json.loads(filesystem.cat_file(f"{root}/{_INDEX}"))["weight_map"].values()))
    elif filesystem.exists(f"{root}/{_SINGLE}"):
        names = [_SINGLE]
    else:
        raise CheckpointNotFoundError(f"it holds neither {_INDEX} nor {_SINGLE}")
    shards = [f"{root}/{name}" for name in names]
    if absent := [shard for shard in shards if not filesystem.exists(shard)]:
        raise CheckpointNotFoundError(f"{absent[0]} is named by its index, but is not there")
    return shards


def _total_bytes(filesystem: Any, root: str) -> int:
    """Bytes of weights by the index; 0 where all of them are in one file, which is never a large model's."""
    index = f"{root}/{_INDEX}"
    if not filesystem.exists(index):
        return 0
    return int(json.loads(filesystem.cat_file(index)).get("metadata", {}).get("total_size", 0))
