"""From a model's name to its description (cheap, for the driver) and to a loaded replica (for an actor).

A name is ``embedded``, ``fake``, ``nano``, or a Kimi-VL checkpoint: a directory, an fsspec URL, or a name on the model
hub with the revision to pin (``moonshotai/Kimi-VL-A3B-Instruct@REVISION``).
"""

from __future__ import annotations

from dataclasses import dataclass

from model.engine.interface import EngineName
from model.protocol import Replica, ReplicaDescription

MODELS = ("embedded", "fake", "nano")


class UnknownModelError(ValueError):
    """No replica goes by this name, or its checkpoint is not to be found."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model and the engine to run it on; models that need no engine ignore it."""

    name: str
    engine: EngineName = "torch"


def describe_replica(choice: ModelChoice) -> ReplicaDescription:
    """What the driver must know of a model, without loading it.

    Raises:
        UnknownModelError: says which names there are, or what is wrong with the checkpoint.
    """
    if choice.name == "embedded":
        from model.embedded.replica import DESCRIPTION

        return DESCRIPTION
    if choice.name == "fake":
        from model.fake import DESCRIPTION as FAKE

        return FAKE
    if choice.name == "nano":
        from model.kimi.description import describe_nano

        return describe_nano()
    if "/" not in choice.name:
        raise UnknownModelError(
            f"--model {choice.name}: there is no such model; choose one of {', '.join(MODELS)}, or give a Kimi-VL "
            "checkpoint (./directory, s3://bucket/checkpoint, or owner/name@revision on the hub)"
        )
    if choice.engine == "vllm" and "://" in choice.name:
        raise UnknownModelError(
            f"--model {choice.name}: vLLM reads checkpoints from directories; copy it to the nodes, or take --engine "
            "torch"
        )
    from model.kimi.description import CheckpointNotFoundError, describe_kimi

    try:
        return describe_kimi(choice.name)
    except CheckpointNotFoundError as error:
        raise UnknownModelError(f"--model {choice.name}: {error}") from error


def load_replica(choice: ModelChoice) -> Replica:
    """A loaded replica; may take seconds to minutes, and the memory of the model."""
    if choice.name == "embedded":
        from model.embedded.replica import EmbeddedReplica

        return EmbeddedReplica()
    if choice.name == "fake":
        from model.fake import FakeReplica

        return FakeReplica()
    if choice.name == "nano":
        from model.kimi.nano import NanoReplica

        return NanoReplica(choice.engine)
    from model.kimi.replica import load_kimi

    return load_kimi(choice.name, choice.engine)
