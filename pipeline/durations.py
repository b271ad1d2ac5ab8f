"""Times and lengths of time as people write them: ``90d``, ``1d12h``, ``2026-03-01T06:00``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from folioscope.pipeline.errors import ConfigError

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])", re.IGNORECASE)
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def parse_deadline(text: str, now: datetime) -> datetime:
    """A moment from an ISO time (``2026-03-01T06:00``, local unless it names a zone) or a duration (``6h``, ``1d12h``).

    Raises:
        ConfigError: it is neither, or beyond the calendar; the message says what is expected.
    """
    try:
        if (length := _duration(text)) is not None:
            return now + length
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ConfigError(f"{text}: lies beyond the calendar; give a shorter time, such as 6h or 1d12h") from error
    except ValueError as error:
        raise ConfigError(f"{text}: is neither a time (2026-03-01T06:00) nor a duration (6h, 90m, 1d12h)") from error


def parse_duration(text: str) -> timedelta:
    """A length of time from ``90d`` or ``1d12h``.

    Raises:
        ConfigError: it is none, or too long.
    """
    try:
        length = _duration(text)
    except OverflowError as error:
        raise ConfigError(f"{text}: lies beyond the calendar; give a shorter time, such as 90d") from error
    if length is None:
        raise ConfigError(f"{text}: is not a duration (90d, 12h, 1d12h)")
    return length


def _duration(text: str) -> timedelta | None:
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        return None
    return sum((timedelta(**{_UNITS[unit.lower()]: float(number)}) for number, unit in parts), timedelta())
