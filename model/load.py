"""From a model's name to its description (cheap, for the driver) and to a loaded replica (for an actor).

A name is ``embedded``, ``fake``, ``nano``, or a Kimi-VL checkpoint: a directory, an fsspec URL, or a name on the model
hub with the revision to pin (``moonshotai/Kimi-VL-A3B-Instruct@REVISION``).
"""

from __future__ import annotations

from dataclasses import dataclass

import tenacity

from model.engine.interface import EngineName
from model.protocol import Replica, ReplicaDescription

MODELS = ("embedded", "fake", "nano")
LOAD_TRIES = 4
LONGEST_WAIT = 30.0  # seconds between two tries
_HOPELESS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_CLIENTS = ("aiohttp", "botocore", "httpcore", "httpx", "requests", "urllib3")  # of stores; not all are installed


class UnknownModelError(ValueError):
    """No replica goes by this name, or its checkpoint is not to be found."""


class ModelLoadError(RuntimeError):
    """A replica could not be loaded; the message says, in one line, which, why, and what to do."""


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
    from model.kimi.description import CheckpointNotFoundError, describe_kimi

    try:
        return describe_kimi(choice.name)
    except Exception as error:
        if not isinstance(error, CheckpointNotFoundError | OSError) and not _of_a_client(error):
            raise
        raise UnknownModelError(f"--model {choice.name}: {error}") from error


def load_replica(choice: ModelChoice) -> Replica:
    """A loaded replica; may take seconds to minutes, and the memory of the model.

    A store or hub that stumbles is tried again, a few times. Raises :class:`ModelLoadError`: an actor that raises it is
    not started again, the run ends.
    """
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(LOAD_TRIES),
        wait=tenacity.wait_exponential_jitter(1, LONGEST_WAIT),
        retry=tenacity.retry_if_exception(_may_pass),
        reraise=True,
    )
    try:
        return retrying(_load, choice)
    except Exception as error:
        tries = f", tried {LOAD_TRIES} times" if _may_pass(error) else ""
        words = " ".join(str(error).split())
        raise ModelLoadError(
            f"--model {choice.name} could not be loaded on engine {choice.engine}{tries} ({type(error).__name__}: "
            f"{words}). What is committed is kept: mend this, then run the same command again."
        ) from error


def _may_pass(error: BaseException) -> bool:
    """Whether another try may succeed: storage and network failed, not the checkpoint."""
    if isinstance(error, OSError):
        return not isinstance(error, _HOPELESS)
    return _of_a_client(error)


def _of_a_client(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _CLIENTS


def _load(choice: ModelChoice) -> Replica:
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
