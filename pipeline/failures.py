"""Why a piece of work was given up: the reason codes of the ``failures`` table, and the exception that carries one.

Every stage raises or returns ``Failure`` for what it expects to go wrong; anything else is a defect of ours and is
recorded as ``model_error`` or ``decode_error`` with the exception's own words.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reason codes. The text after each says what it means to the owner of the file."""

    # plan
    NOT_FOUND = "not_found"
    PERMISSION_DENIED = "permission_denied"
    STORAGE_ERROR = "storage_error"
    CHANGED_DURING_RUN = "changed_during_run"
    EMPTY_FILE = "empty_file"
    TOO_LARGE = "too_large"
    UNSUPPORTED_TYPE = "unsupported_type"
    TYPE_MISMATCH = "type_mismatch"
    DAMAGED_FILE = "damaged_file"
    NO_PAGES = "no_pages"
    PASSWORD_REQUIRED = "password_required"
    # decode
    DECODE_ERROR = "decode_error"
    DECODE_CRASHED = "decode_crashed"
    DECODE_TIMEOUT = "decode_timeout"
    MEMORY_LIMIT = "memory_limit"
    PIXEL_LIMIT = "pixel_limit"
    # read, summarize, answer
    MODEL_ERROR = "model_error"
    WORKER_DIED = "worker_died"
    UPSTREAM_INCOMPLETE = "upstream_incomplete"


RETRYABLE = frozenset(
    {
        Reason.STORAGE_ERROR,
        Reason.CHANGED_DURING_RUN,
        Reason.DECODE_CRASHED,
        Reason.DECODE_TIMEOUT,
        Reason.MEMORY_LIMIT,
        Reason.MODEL_ERROR,
        Reason.WORKER_DIED,
    }
)


class Failure(Exception):
    """Something expected went wrong with one file, page or question. Pickles across process boundaries."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


def storage_failure(error: BaseException, uri: str) -> Failure:
    """What an exception of a file system means for the file it was about."""
    if isinstance(error, Failure):
        return error
    words = f"{type(error).__name__}: {error}"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Failure(Reason.NOT_FOUND, f"{uri}: it is not there ({words}); check the path")
    if isinstance(error, PermissionError):
        return Failure(Reason.PERMISSION_DENIED, f"{uri}: it may not be read ({words}); check its permissions")
    return Failure(Reason.STORAGE_ERROR, f"{uri}: it could not be read ({words}); run again when the store answers")
