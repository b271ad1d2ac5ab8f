"""From a model's name to its description (cheap, for the driver) and to a loaded replica (for an actor).

A name is ``embedded``, ``fake``, ``nano``, a replica of another package (``package.module:Replica``, or the name under
which it is installed), a server (``https://host/v1#model-name``; several with spaces between), or a Kimi-VL checkpoint:
a directory, an fsspec URL, or a name on the model hub with the revision to pin
(``moonshotai/Kimi-VL-A3B-Instruct@REVISION``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

import tenacity

from folioscope.model import custom
from folioscope.model.choice import ChoiceError, ModelChoice
from folioscope.model.protocol import Replica, ReplicaDescription, RgbImage, UnavailableError
from folioscope.schemas.errors import ExitCode, FolioscopeError
from folioscope.schemas.extras import require

EXAMPLES: Final = {"nano": "examples.nano.replica:NanoReplica"}  # of the source alone; no package brings them
MODELS = ("embedded", "fake", *EXAMPLES)
LOAD_TRIES = 4
LONGEST_WAIT = 30.0  # seconds between two tries
_HOPELESS = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
__all__ = ["ModelChoice", "ModelLoadError", "UnknownModelError", "describe_replica", "load_replica"]
# Of stores and servers; not all are installed.
_CLIENTS = ("aiohttp", "botocore", "httpcore", "httpcore2", "httpx", "httpx2", "requests", "urllib3")


class UnknownModelError(FolioscopeError, ValueError):
    """No replica goes by this name, or its checkpoint is not to be found, or not one of a model that is known here."""

    exit_code: ClassVar[ExitCode] = ExitCode.BAD_ARGUMENTS


class ModelLoadError(FolioscopeError, RuntimeError):
    """A replica could not be loaded; the message says, in one line, which, why, and what to do."""


def describe_replica(choice: ModelChoice) -> ReplicaDescription:
    """What the driver must know of a model, without loading it.

    Raises:
        UnknownModelError: says which names there are, or what is wrong with the checkpoint or the server's name.
    """
    if choice.name == "embedded":
        from folioscope.model.embedded.replica import DESCRIPTION

        return DESCRIPTION
    if choice.name == "fake":
        from folioscope.model.fake import DESCRIPTION as FAKE

        return FAKE
    if custom.is_custom(choice.name):
        try:
            return custom.describe_custom(choice.name)
        except ChoiceError as error:
            raise UnknownModelError(str(error)) from error
    if not choice.servers and "/" not in choice.name and choice.name not in MODELS:
        raise UnknownModelError(_no_such_model(choice.name))
    require_packages(choice)
    try:
        return _describe(choice)
    except ChoiceError as error:
        raise UnknownModelError(str(error)) from error
    except Exception as error:
        if not isinstance(error, OSError) and not _of_a_client(error):
            raise
        raise UnknownModelError(f"--model {choice.name}: {error}") from error


def _no_such_model(name: str) -> str:
    known = (*MODELS, *custom.installed())
    near = custom.nearest(name, known)
    meant = f" (did you mean {near}?)" if near else ""
    return (
        f"--model {name}: there is no such model{meant}; choose one of {', '.join(known)}, or give a replica of your "
        "own (package.module:Replica), a Kimi-VL checkpoint (./directory, s3://bucket/checkpoint, or "
        "owner/name@revision on the hub) or a server (https://host/v1#model-name)"
    )


def _describe(choice: ModelChoice) -> ReplicaDescription:
    if choice.name in EXAMPLES:
        try:
            return custom.describe_custom(EXAMPLES[choice.name])
        except ChoiceError as error:
            raise ChoiceError(
                f"--model {choice.name} is an example of Folioscope's source: run it in that folder ({error})"
            ) from error
    if choice.servers:
        from folioscope.model.kimi.served import describe_served

        return describe_served(choice)
    from folioscope.model.kimi.description import describe_kimi

    return describe_kimi(choice)


def require_packages(choice: ModelChoice) -> None:
    """Refuse a Kimi-VL model where what it runs on is not installed.

    Raises:
        MissingExtraError: with the command that installs it.
    """
    if custom.is_custom(choice.name):
        return
    if choice.servers:
        require("served", f"--model {choice.name}")
    elif choice.name not in ("embedded", "fake"):
        require("kimi", f"--model {choice.name}")
        if choice.engine == "vllm":
            require("vllm", "--engine vllm")


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


def load_picture_reader() -> Callable[[RgbImage], tuple[str, float]]:
    """What recognises the words of small pictures, such as subtitles: (words, confidence). Loads when first used."""
    from folioscope.model.embedded.subtitle_pictures import read_picture

    return read_picture


def _may_pass(error: BaseException) -> bool:
    """Whether another try may succeed: storage and network failed, not the checkpoint."""
    if isinstance(error, UnavailableError):
        return True
    if isinstance(error, OSError):
        return not isinstance(error, _HOPELESS)
    return _of_a_client(error)


def _of_a_client(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in _CLIENTS


def _load(choice: ModelChoice) -> Replica:
    if choice.name == "embedded":
        from folioscope.model.embedded.replica import EmbeddedReplica

        return EmbeddedReplica()
    if choice.name == "fake":
        from folioscope.model.fake import FakeReplica

        return FakeReplica()
    if choice.name in EXAMPLES:
        return custom.load_custom(EXAMPLES[choice.name], choice)
    if custom.is_custom(choice.name):
        return custom.load_custom(choice.name)
    if choice.servers:
        from folioscope.model.kimi.served import load_served

        return load_served(choice)
    from folioscope.model.kimi.loading import load_kimi

    return load_kimi(choice)
