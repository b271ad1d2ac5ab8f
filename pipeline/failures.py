"""Why a piece of work was given up: the reason codes of the ``failures`` table, and the exception that carries one.

Every stage raises or returns ``Failure`` for what it expects to go wrong; anything else is a defect of ours and is
recorded as ``model_error`` or ``decode_error`` with the exception's own words.
"""

from __future__ import annotations

import re
from enum import StrEnum

from folioscope.model.protocol import UnavailableError
from folioscope.schemas.names import RENAMED_REASONS


class Reason(StrEnum):
    """Reason codes. What each means to the owner of the file stands in MEANING."""

    # plan
    NOT_FOUND = "not_found"
    PERMISSION_DENIED = "permission_denied"
    STORAGE_ERROR = "storage_error"
    CHANGED_DURING_RUN = "changed_during_run"
    EMPTY_FILE = "empty_file"
    TOO_LARGE = "too_large"
    TYPE_MISMATCH = "type_mismatch"
    DAMAGED_FILE = "damaged_file"
    NO_PAGES = "no_pages"
    PASSWORD_REQUIRED = "password_required"
    NO_VIDEO = "no_video"
    NO_SOUND = "no_sound"
    UNSUPPORTED_CODEC = "unsupported_codec"
    PROTECTED = "protected"
    ATTACHMENT_LIMIT = "attachment_limit"
    # decode
    DECODE_ERROR = "decode_error"
    DECODE_CRASHED = "decode_crashed"
    DECODE_TIMEOUT = "decode_timeout"
    MEMORY_LIMIT = "memory_limit"
    PIXEL_LIMIT = "pixel_limit"
    TRUNCATED_VIDEO = "truncated_video"
    NO_FRAMES = "no_frames"
    # read, summarize, answer
    MODEL_ERROR = "model_error"
    UNREAD_SCRIPT = "unread_script"
    MODEL_UNAVAILABLE = "model_unavailable"
    WORKER_DIED = "worker_died"

    @classmethod
    def _missing_(cls, value: object) -> Reason | None:
        """A code under its name of an earlier schema version."""
        return cls(RENAMED_REASONS[value]) if isinstance(value, str) and value in RENAMED_REASONS else None


MEANING = {
    Reason.NOT_FOUND: "The path is not there, or vanished during the run. Check it, or drop it from the inputs.",
    Reason.PERMISSION_DENIED: "The file may not be read by the account that runs the job.",
    Reason.STORAGE_ERROR: "The disk or bucket did not answer, after several tries. Tried again on the next run.",
    Reason.CHANGED_DURING_RUN: "The bytes changed between planning and reading. Run again.",
    Reason.EMPTY_FILE: "The file holds no bytes.",
    Reason.TOO_LARGE: "The file is over `--max-file-mb`.",
    Reason.TYPE_MISMATCH: "The content is none of the kinds we read, whatever the name says.",
    Reason.DAMAGED_FILE: "The file, or what is left of a page, cannot be recovered. Get another copy.",
    Reason.NO_PAGES: "A whole PDF without a page in it.",
    Reason.PASSWORD_REQUIRED: "The file is locked. Put its password into `--password-file`; it is then tried again.",
    Reason.NO_VIDEO: "The file holds sound or subtitles and no moving picture.",
    Reason.NO_SOUND: "The file holds no sound that could be transcribed.",
    Reason.UNSUPPORTED_CODEC: "Nothing here decodes the video's codec. Convert it.",
    Reason.PROTECTED: "The video's frames are encrypted. Get a copy without copy protection.",
    Reason.ATTACHMENT_LIMIT: "A file holds more files, larger or deeper in one another, than are taken out of one. "
    "Take them out by hand and list them.",
    Reason.DECODE_ERROR: "The page's content is damaged; the message has the decoder's words.",
    Reason.DECODE_CRASHED: "The page takes the decoder's process down, twice.",
    Reason.DECODE_TIMEOUT: "The page takes longer than `--seconds-per-page`, twice.",
    Reason.MEMORY_LIMIT: "The page needs more memory than `--memory-mb`.",
    Reason.PIXEL_LIMIT: "The page has no sensible size, or the picture is too large to open.",
    Reason.TRUNCATED_VIDEO: "The video breaks off; the message says where. What precedes is read. Get another copy.",
    Reason.NO_FRAMES: "No frame decodes in the whole video, or in this part of it. Get another copy.",
    Reason.MODEL_ERROR: "The replica raised; the message has its words.",
    Reason.UNREAD_SCRIPT: (
        "The page, or a part of it, is in a script that no engine installed here reads; the message names the package "
        "that does. The page keeps its row, without that text. Install the package, then run again."
    ),
    Reason.MODEL_UNAVAILABLE: "The model server was down or full for too long. Tried again on the next run.",
    Reason.WORKER_DIED: "The actor died three times at this unit. Taken up again if the run did not finish.",
}

RETRYABLE = frozenset(
    {
        Reason.STORAGE_ERROR,
        Reason.CHANGED_DURING_RUN,
        Reason.DECODE_CRASHED,
        Reason.DECODE_TIMEOUT,
        Reason.MEMORY_LIMIT,
        Reason.MODEL_ERROR,
        Reason.MODEL_UNAVAILABLE,
        Reason.WORKER_DIED,
    }
)

# No fault of the bytes: what was given up for these, the next run takes up again by itself.
TRANSIENT = frozenset(
    {
        Reason.STORAGE_ERROR,
        Reason.CHANGED_DURING_RUN,
        Reason.NOT_FOUND,
        Reason.PERMISSION_DENIED,
        Reason.MODEL_UNAVAILABLE,
    }
)

# The next run looks again at files given up for these: permissions and limits may change while the file does not.
RECHECKED = frozenset({*RETRYABLE, Reason.NOT_FOUND, Reason.PERMISSION_DENIED, Reason.TOO_LARGE})


class Failure(Exception):
    """Something expected went wrong with one file, page or question. Pickles across process boundaries."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = harmless(message)

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


# The codes by which S3 says that it no longer knows whoever asks: no fault of the file, and the next run may be let in.
REFUSALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)
# Other clients and the failed search for credentials say it by the exception's name.
REFUSING = frozenset({"NoCredentialsError", "CredentialRetrievalError", "RefreshError", "ClientAuthenticationError"})


def refused_credentials(error: BaseException | None) -> str | None:
    """The store's word for credentials that it does not take (expired, unknown, none); None for any other error."""
    while error is not None:
        response = getattr(error, "response", None)
        code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
        if code in REFUSALS:
            return str(code)
        if type(error).__name__ in REFUSING:
            return type(error).__name__
        error = error.__cause__
    return None


_USER_INFO = re.compile(r"[^\s/\"'@:]+:[^\s/\"'@]+@")
_SIGNED = re.compile(
    r"(?i)\b(x-amz-[a-z-]+|sig|signature|[a-z_]*(?:token|secret|password|access_?key)[a-z_]*)=[^&\s\"']+"
)


def storage_failure(error: BaseException, uri: str) -> Failure:
    """What an exception of a file system means for the file it was about."""
    if isinstance(error, Failure):
        return error
    refusal = refused_credentials(error)
    if refusal is not None:
        return Failure(
            Reason.STORAGE_ERROR, f"{uri}: the store refused the credentials ({refusal}); renew them, then run again"
        )
    words = without_secrets(f"{type(error).__name__}: {error}")
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return Failure(Reason.NOT_FOUND, f"{uri}: it is not there ({words}); check the path")
    if isinstance(error, PermissionError):
        return Failure(Reason.PERMISSION_DENIED, f"{uri}: it may not be read ({words}); check its permissions")
    return Failure(Reason.STORAGE_ERROR, f"{uri}: it could not be read ({words}); run again when the store answers")


def harmless(text: str) -> str:
    """Text with control characters and broken Unicode written out: a file's name must not command a terminal."""
    if text.isprintable():
        return text
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown.encode("utf-8", "backslashreplace").decode()


def without_secrets(text: str) -> str:
    """A message of a store without the credentials that some quote: users with passwords, signed query parts."""
    return _SIGNED.sub(r"\1=…", _USER_INFO.sub("…@", text))


def render() -> str:
    """``docs/failures.md``: every reason code, what it means and whether trying again may help."""
    head = (
        "# Reason codes of the failures table\n\n"
        "Generated by `python -m folioscope.pipeline.failures`; do not edit.\n\n"
    )
    rows = (
        f"| `{reason}` | {'yes' if reason in RETRYABLE else 'no'} | {meaning} |" for reason, meaning in MEANING.items()
    )
    return head + "\n".join(["| reason | retryable | what it means |", "|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(render())


def of_model(error: Exception, message: str) -> Failure:
    """What a replica raised, as a failure: its own, a server that was not to be had, or a defect of the model."""
    if isinstance(error, Failure):
        return error
    return Failure(Reason.MODEL_UNAVAILABLE if isinstance(error, UnavailableError) else Reason.MODEL_ERROR, message)
