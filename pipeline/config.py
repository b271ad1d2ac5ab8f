"""The configuration of one run: explicit, validated before Ray starts, and printed with the run.

The settings stand in ``pipeline/settings/``; here are the rules among them and what follows from them. Secrets
(passwords) never leave through ``public()``, which is what is logged and stored in the ``runs`` table.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from pydantic import ValidationError, ValidationInfo, field_validator, model_validator

from folioscope.model.choice import ModelChoice
from folioscope.model.protocol import TASKS, ReplicaDescription, Task
from folioscope.pipeline.decode.pages import Layout
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.failures import TRANSIENT, Reason
from folioscope.pipeline.kinds import EVERY_KIND, KINDS, WATCHED, Kind
from folioscope.pipeline.options import settings_of
from folioscope.pipeline.prices import Allowance, Prices
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.settings import RunSettings
from folioscope.pipeline.storage.uris import redact

PAGES_PER_UNIT: dict[Layout, int] = {"full": 8, "auto": 16, "fast": 32}


class RunConfig(RunSettings):
    """One run's settings, checked against each other."""

    @field_validator("inputs", mode="after")
    @classmethod
    def _at_home(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        """``--input=~/docs``: a shell leaves the tilde as it is."""
        return tuple(map(os.path.expanduser, given))

    @field_validator("output", mode="after")
    @classmethod
    def _output_at_home(cls, given: str) -> str:
        return os.path.expanduser(given)

    @field_validator("pages_per_unit", mode="before")
    @classmethod
    def _by_layout(cls, given: int | None, info: ValidationInfo) -> int:
        """A commit costs as much as reading a page in fast layout: there more pages share it."""
        return PAGES_PER_UNIT[info.data.get("layout", "auto")] if given is None else given

    @field_validator("tasks")
    @classmethod
    def _in_order(cls, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        if not tasks:
            raise ValueError("name at least one of read, summarize and answer")
        return tuple(task for task in TASKS if task in tasks)

    @field_validator("kinds")
    @classmethod
    def _some_kind(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if not kinds:
            raise ValueError(f"name at least one of documents, videos, {', '.join(EVERY_KIND)}")
        return tuple(kind for kind in EVERY_KIND if kind in kinds)

    @field_validator("questions")
    @classmethod
    def _told_apart(cls, questions: tuple[QuestionSpec, ...]) -> tuple[QuestionSpec, ...]:
        ids = [question.id for question in questions]
        if doubled := sorted({id_ for id_ in ids if ids.count(id_) > 1}):
            raise ValueError(f"question ids must differ; given more than once: {', '.join(doubled)}")
        return questions

    @field_validator("retry_failed")
    @classmethod
    def _known_reasons(cls, reasons: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(reasons) - {"all", *Reason}):
            raise ValueError(f"no such reason: {', '.join(unknown)}; give all, or any of {', '.join(Reason)}")
        return reasons

    @model_validator(mode="after")
    def _priced(self) -> RunConfig:
        if self.max_cost is not None and self.prices.are_nothing:
            raise ValueError(
                "--max-cost needs a price that is not 0: --price-per-replica-hour, --price-per-million-tokens, or both"
            )
        return self

    @property
    def reasons_to_retry(self) -> tuple[str, ...]:
        """The reason codes of ``retry_failed``, ``all`` spelt out, and those that are tried again unasked."""
        return tuple(Reason) if "all" in self.retry_failed else tuple(sorted({*TRANSIENT, *self.retry_failed}))

    @property
    def allowance(self) -> Allowance:
        """What ``max_replica_hours``, ``max_cost`` and ``deadline`` allow a run."""
        seconds = None if self.max_replica_hours is None else 3600 * self.max_replica_hours
        return Allowance(seconds, self.max_cost, self.prices, self.deadline)

    @property
    def limited(self) -> bool:
        """True where the run may stop before its work is done; it then takes the newest sources first."""
        return self.allowance.is_limited

    @property
    def prices(self) -> Prices:
        return Prices(self.price_per_replica_hour, self.price_per_million_tokens)

    @property
    def choice(self) -> ModelChoice:
        return ModelChoice(
            self.model, self.engine, self.variant, self.dialect, self.quantization, self.gpus_per_replica
        )

    @property
    def segment_noun(self) -> str:
        """What the run reads, in a word: pages, shots, or both."""
        if not self.watches:
            return "pages"
        return "shots" if set(self.kinds) <= set(KINDS["videos"]) else "pages and shots"

    @property
    def watches(self) -> bool:
        """Whether the run reads videos or sound."""
        return bool(WATCHED & set(self.kinds))

    def segments_per_unit(self, kind: str) -> int:
        """Pages or shots of a file of this kind that commit together; each frame of a shot weighs as much as a page."""
        return max(1, self.pages_per_unit // self.max_frames_per_shot) if kind in WATCHED else self.pages_per_unit

    @property
    def asks(self) -> bool:
        return "answer" in self.tasks and bool(self.questions)

    def public(self) -> dict[str, Any]:
        """The configuration as plain JSON values, without passwords (their number is told) and secrets in URIs."""
        values = self.model_dump(mode="json", exclude={"passwords"})
        places = {"inputs": [redact(uri) for uri in self.inputs], "output": redact(self.output)}
        return {
            **values,
            **places,
            "model": redact(self.model),
            "speech": redact(self.speech),
            "passwords": len(self.passwords),
        }


SETTINGS: Final = settings_of(RunConfig)


def without_speech(config: RunConfig) -> RunConfig:
    """The configuration of a run in which nobody listens: sound alone is then of no kind to read."""
    kinds = tuple(kind for kind in config.kinds if kind != "audio")
    return config.model_copy(update={"speech": "off", "kinds": kinds})


def parse_config(naming: Callable[[str], str] = str, /, **values: object) -> RunConfig:
    """A validated configuration. ``naming`` gives the name under which a field was given, for messages.

    Raises:
        ConfigError: one line for each value that is wrong.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_context=False):
            place = f"{naming(str(problem['loc'][0]))}: " if problem["loc"] else ""
            lines.append(place + _in_words(problem["type"], problem["msg"]))
        raise ConfigError("\n".join(dict.fromkeys(lines))) from error


def _in_words(kind: str, message: str) -> str:
    """What is wrong with a value, in a user's words."""
    return "is required" if kind == "missing" else message.removeprefix("Value error, ")


def check_tasks(config: RunConfig, replica: ReplicaDescription) -> None:
    """Raises :class:`ConfigError` where the model cannot do what is asked: some only read pages."""
    if replica.tasks == TASKS:
        return
    if "video" in config.kinds:
        raise ConfigError(f"{replica.name} only reads pages of documents; give --kinds documents, or another model")
    if any(task not in replica.tasks for task in config.tasks):
        raise ConfigError(
            f"--tasks {','.join(config.tasks)}: {replica.name} only reads pages; give --tasks "
            f"{','.join(replica.tasks)}, and summarise and answer with another model"
        )
