"""What a run tells whoever watches: lines for people, or with ``--log-format json`` one JSON object a line.

All of it goes through the standard logger ``folioscope``: a program that embeds the pipeline handles it as it likes,
and hears nothing until it does. Results never come this way.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TextIO

LOGGER: Final = logging.getLogger("folioscope")


class LogFormat(StrEnum):
    text = "text"
    json = "json"


class Lines(logging.Formatter):
    """For people: messages begin with our name, progress with its stage's."""

    def format(self, record: logging.LogRecord) -> str:
        words = record.getMessage()
        return words if getattr(record, "event", None) == "progress" else f"folioscope: {words}"


class JsonLines(logging.Formatter):
    """For log collectors: time, level, event, message and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"time": time, "level": record.levelname.lower(), "event": getattr(record, "event", "note")}
        whole = {**head, "message": record.getMessage(), **getattr(record, "fields", {})}
        return json.dumps(whole, ensure_ascii=False, default=str)


def configure_logs(log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Send what the pipeline tells to ``stream``, by default stderr. For command lines: called once, first of all."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if log_format is LogFormat.json else Lines())
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def for_machines() -> bool:
    """Whether the lines are JSON, so that nothing else may be drawn among them."""
    return any(isinstance(handler.formatter, JsonLines) for handler in LOGGER.handlers)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun, for people: 1 page, 1,200 pages, no ``1 pages``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def log_info(words: str, event: str = "note", **fields: Any) -> None:
    """Tell something that is not a result."""
    LOGGER.info("%s", words, extra={"event": event, "fields": fields})


def log_warning(words: str, event: str = "warning", **fields: Any) -> None:
    """Tell what may not be meant: the run goes on."""
    LOGGER.warning("%s", words, extra={"event": event, "fields": fields})


def log_error(words: str, event: str = "error", **fields: Any) -> None:
    """Tell what went wrong and what to do about it."""
    LOGGER.error("%s", words, extra={"event": event, "fields": fields})
