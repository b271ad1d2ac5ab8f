"""What the driver must know of a Kimi-VL checkpoint: where it is, which weights it holds, and how it is asked.

Reads settings files and samples of the weights; loads neither torch nor the model.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import fsspec

from model.engine.interface import Sampling
from model.kimi.prompts import NANO_COUNT, NANO_PRESENCE, NANO_READ, OF_DOCUMENTS, OF_FILMS, Prompts, prompt_hash
from model.protocol import ReplicaDescription, Task

LARGE_BYTES = 4 << 30  # weights beyond this want a GPU
HOTTER: Final = (0.4, 0.8)  # temperatures of the tries after a loop
POOR_LOGPROB: Final = -1.0  # mean over a reading, below which other directions are tried
NANO_FOLDER = Path(__file__).resolve().parents[1] / "nano"
NANO_CUTTER = "1"  # version of how pages are cut into lines for it
_SETTINGS_FILES = ("config.json", "preprocessor_config.json", "tokenizer_config.json", "chat_template.jinja")
_INDEX, _SINGLE = "model.safetensors.index.json", "model.safetensors"
_SAMPLE_BYTES = 1 << 20


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
    """By the checkpoint's name, as nothing in its files tells the variants apart."""
    return THINKING if "thinking" in name.casefold() else INSTRUCT


def describe_kimi(name: str) -> ReplicaDescription:
    """Raises :class:`CheckpointNotFoundError`."""
    location, revision = resolve(name, weights=False)
    if revision is None:
        revision, weight_bytes = fingerprint(location)
    else:
        weight_bytes = _total_bytes(*fsspec.url_to_fs(location))
    behaviour = behaviour_of(name)
    samplings: dict[Task, Sampling] = {
        "read": behaviour.read,
        "summarize": behaviour.summary,
        "answer": behaviour.answer,
    }
    retries = f"{HOTTER} {POOR_LOGPROB}"

    def settings(prompts: Prompts) -> dict[Task, dict[str, str]]:
        return {
            task: {"prompt": prompt_hash(prompts, task), "sampling": repr(sampling), "retries": retries}
            for task, sampling in samplings.items()
        }

    return ReplicaDescription(
        name=f"kimi-vl:{Path(name.partition('@')[0]).name}",
        revision=revision,
        reads_layer=False,
        settings=settings(OF_DOCUMENTS),
        film_settings=settings(OF_FILMS),
        num_cpus=1.0,
        num_gpus=1.0 if weight_bytes > LARGE_BYTES else 0.0,
        looks=True,
        batches=True,
    )


def describe_nano() -> ReplicaDescription:
    revision, _ = fingerprint(str(NANO_FOLDER))
    settings = {"cutter": NANO_CUTTER, "prompts": f"{NANO_READ} {NANO_COUNT} {NANO_PRESENCE}"}
    tasks: tuple[Task, ...] = ("read", "summarize", "answer")
    of_tasks = dict.fromkeys(tasks, settings)
    return ReplicaDescription("kimi-vl:nano", revision, False, of_tasks, of_tasks, num_cpus=0.5, looks=True)


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
