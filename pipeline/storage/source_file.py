"""What a listing gives: files as their store tells them, and inputs and folders that could not be listed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from folioscope.pipeline.failures import Failure, Reason, harmless


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file as its store tells it. ``etag`` changes when the bytes do: an ETag, else size and time."""

    uri: str
    size: int | None
    etag: str
    modified_at: datetime | None


@dataclass(frozen=True, slots=True)
class FailedInput:
    """An input that could not be listed, or a folder in one, and why. Nothing is known of what lies under it."""

    uri: str
    failure: Failure

    def said_in(self, place: str) -> FailedInput:
        """With the place that named the input: a line of a list."""
        return (
            replace(self, failure=Failure(self.failure.reason, f"{place}: {self.failure.message}")) if place else self
        )


Listed = SourceFile | FailedInput


def unnameable(uri: str) -> FailedInput | None:
    """The failure of a file whose name is no UTF-8: no table can hold it, and no URI could name it. Else None."""
    try:
        uri.encode()
    except UnicodeEncodeError:
        shown = harmless(uri)
        message = f"{shown}: its name is not valid UTF-8, so no row can name it; rename the file"
        return FailedInput(shown, Failure(Reason.NOT_FOUND, message))
    return None


def moment(value: object) -> datetime | None:
    """A store's idea of a time as UTC in milliseconds; None where it tells none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, (int, float)):
        value = datetime.fromtimestamp(value, UTC)
    if not isinstance(value, datetime):
        return None
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return aware.replace(microsecond=aware.microsecond // 1000 * 1000)
