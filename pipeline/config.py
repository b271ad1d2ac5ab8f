"""The configuration of one run: explicit, validated before Ray starts, and printed with the run.

Secrets (passwords) never leave through ``public()``, which is what is logged and stored in the ``runs`` table.
"""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from model.engine.interface import EngineName
from model.load import ModelChoice
from model.protocol import Question, Task
from pipeline.decode.pages import FilmDecoder, Kind, Layout
from pipeline.failures import PASSING, Reason
from pipeline.sources import redact

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])", re.IGNORECASE)
_PARTS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
TASK_ORDER: tuple[Task, ...] = ("read", "summarize", "answer")
Media = Literal["documents", "films"]
PAGES_PER_UNIT: dict[Layout, int] = {"full": 8, "fast": 32}
KINDS: dict[Media, tuple[Kind, ...]] = {"documents": ("pdf", "image"), "films": ("video",)}


class ConfigError(ValueError):
    """The run cannot start as asked; the message says which argument is wrong and what to do."""


class QuestionSpec(BaseModel):
    """A question, and the glob of URIs it is asked of (None: every document)."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    assets: str | None = None

    def applies_to(self, uri: str) -> bool:
        """True where ``assets`` is unset, matches the whole URI, or matches its tail (``*.pdf``, ``leases/*``)."""
        return self.assets is None or fnmatchcase(uri, self.assets) or fnmatchcase(uri, f"*/{self.assets}")

    def ask(self) -> Question:
        return Question(self.id, self.question)


class RunConfig(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: tuple[str, ...] = Field(min_length=1)
    output: str = Field(min_length=1)
    media: Media = "documents"
    tasks: tuple[Task, ...] = TASK_ORDER
    questions: tuple[QuestionSpec, ...] = ()
    model: str = "embedded"
    engine: EngineName = "torch"
    gpus_per_replica: float | None = Field(default=None, ge=0)
    replicas: int = Field(default=2, ge=1)
    layout: Layout = "full"
    pages_per_unit: int = Field(default=None, ge=1, le=512, validate_default=True)  # None: by layout
    seconds_per_unit: float = Field(default=60.0, ge=1, le=3600)
    max_frames_per_shot: int = Field(default=4, ge=1, le=64)
    dpi: int = Field(default=144, ge=36, le=600)
    max_pixels: int = Field(default=16_000_000, ge=10_000)
    thumbnails: int = Field(default=640, ge=0, le=2048)
    film_decoder: FilmDecoder = "pyav"
    webvtt: bool = False  # of films: time lines beside the tables
    limit: int | None = Field(default=None, ge=1)
    max_failures: int = Field(default=0, ge=0)
    passwords: tuple[SecretStr, ...] = ()
    address: str | None = None
    max_file_mb: int = Field(default=4096, ge=1)
    memory_mb: int = Field(default=2048, ge=256)
    seconds_per_page: float = Field(default=60.0, gt=0)
    seconds_per_file: float = Field(default=6 * 3600.0, gt=0)
    seconds_per_read: float = Field(default=600.0, gt=0)
    price_per_replica_hour: float | None = Field(default=None, ge=0)
    max_replica_hours: float | None = Field(default=None, gt=0)
    max_cost: float | None = Field(default=None, gt=0)
    deadline: AwareDatetime | None = None
    retry_failed: tuple[str, ...] = ()

    @field_validator("pages_per_unit", mode="before")
    @classmethod
    def _by_layout(cls, given: int | None, info: ValidationInfo) -> int:
        """A commit costs as much as reading a page in fast layout: there more pages share it."""
        return PAGES_PER_UNIT[info.data.get("layout", "full")] if given is None else given

    @field_validator("tasks")
    @classmethod
    def _in_order(cls, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        if not tasks:
            raise ValueError("name at least one task: read, summarize, answer")
        return tuple(task for task in TASK_ORDER if task in tasks)

    @model_validator(mode="after")
    def _consistent(self) -> RunConfig:
        ids = [question.id for question in self.questions]
        doubled = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        if doubled:
            raise ValueError(f"question ids must differ; given more than once: {', '.join(doubled)}")
        if self.max_cost is not None and not self.price_per_replica_hour:
            raise ValueError("max_cost needs price_per_replica_hour: a cost is replica hours times that price")
        unknown = sorted(set(self.retry_failed) - {"all", *Reason})
        if unknown:
            raise ValueError(
                f"retry_failed: no such reason: {', '.join(unknown)}; give all, or any of {', '.join(Reason)}"
            )
        return self

    @property
    def reasons_to_retry(self) -> tuple[str, ...]:
        """The reason codes of ``retry_failed``, ``all`` spelt out, and those that are tried again unasked."""
        return tuple(Reason) if "all" in self.retry_failed else tuple(sorted({*PASSING, *self.retry_failed}))

    @property
    def replica_seconds(self) -> float | None:
        """The least of what ``max_replica_hours`` and ``max_cost`` allow; None where neither is given."""
        hours = [] if self.max_replica_hours is None else [self.max_replica_hours]
        if self.max_cost is not None and self.price_per_replica_hour:
            hours.append(self.max_cost / self.price_per_replica_hour)
        return 3600 * min(hours) if hours else None

    @property
    def limited(self) -> bool:
        """True where the run may stop before its work is done; it then takes the newest sources first."""
        return self.replica_seconds is not None or self.deadline is not None

    @property
    def choice(self) -> ModelChoice:
        return ModelChoice(self.model, self.engine)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of file that the run reads; it skips the others."""
        return KINDS[self.media]

    @property
    def segments_per_unit(self) -> int:
        """Pages or shots that commit together; each frame of a shot weighs as much as a page."""
        if self.media == "documents":
            return self.pages_per_unit
        return max(1, self.pages_per_unit // self.max_frames_per_shot)

    @property
    def asks(self) -> bool:
        return "answer" in self.tasks and bool(self.questions)

    def public(self) -> dict[str, Any]:
        """The configuration as plain JSON values, without passwords (their number is told) and secrets in URIs."""
        values = self.model_dump(mode="json", exclude={"passwords"})
        places = {"inputs": [redact(uri) for uri in self.inputs], "output": redact(self.output)}
        return {**values, **places, "model": redact(self.model), "passwords": len(self.passwords)}


def parse_config(**values: Any) -> RunConfig:
    """A validated configuration.

    Raises:
        ConfigError: one line for each argument that is wrong.
    """
    try:
        return RunConfig(**values)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in e['loc']) or 'arguments'}: {e['msg']}" for e in error.errors()]
        raise ConfigError("\n".join(lines)) from error


def load_questions(path: Path) -> tuple[QuestionSpec, ...]:
    """Questions from YAML, JSON (a list of objects) or CSV (a header row); fields id, question, optional assets.

    Raises:
        ConfigError: the file cannot be read, or a row lacks a field; names the file and the row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--questions {path}: cannot be read ({error})") from error
    try:
        if path.suffix.lower() == ".csv":
            rows: Any = list(csv.DictReader(io.StringIO(text)))
        elif path.suffix.lower() == ".json":
            rows = json.loads(text)
        else:
            rows = yaml.safe_load(text)
    except (yaml.YAMLError, csv.Error, ValueError, RecursionError) as error:  # a month 13; brackets without end
        raise ConfigError(f"--questions {path}: is not valid {path.suffix[1:] or 'YAML'} ({error})") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(
            f"--questions {path}: must be a list of rows with the fields id, question and optional assets"
        )
    questions = []
    for number, row in enumerate(rows, start=1):
        filled = {key: value for key, value in row.items() if value not in (None, "")}
        try:
            questions.append(QuestionSpec(**filled))
        except (ValidationError, TypeError) as error:
            raise ConfigError(f"--questions {path}: row {number} ({row}) needs id and question: {error}") from error
    return tuple(questions)


def load_passwords(path: Path) -> tuple[SecretStr, ...]:
    """Passwords to try on encrypted files, one a line; empty lines are left out.

    Raises:
        ConfigError: the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--password-file {path}: cannot be read ({error})") from error
    return tuple(SecretStr(line) for line in lines if line)


def parse_deadline(text: str, now: datetime) -> datetime:
    """A moment from an ISO time (``2026-03-01T06:00``, local unless it names a zone) or a duration (``6h``, ``1d12h``).

    Raises:
        ConfigError: it is neither; the message says what is expected.
    """
    if (length := _duration(text)) is not None:
        return now + length
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"--deadline {text}: is neither a time (2026-03-01T06:00) nor a duration (6h, 90m, 1d12h)"
        ) from error
    return moment.astimezone(UTC)


def parse_duration(argument: str, text: str) -> timedelta:
    """A length of time from ``90d`` or ``1d12h``.

    Raises:
        ConfigError: it is none; names the argument.
    """
    length = _duration(text)
    if length is None:
        raise ConfigError(f"{argument} {text}: is not a duration (90d, 12h, 1d12h)")
    return length


def _duration(text: str) -> timedelta | None:
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        return None
    return sum((timedelta(**{_PARTS[unit.lower()]: float(number)}) for number, unit in parts), timedelta())
