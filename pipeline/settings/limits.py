"""When a run stops, gives something up or ends with an error, what it may cost, and what it tries again."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from folioscope.pipeline.options import Group, Option
from folioscope.pipeline.settings import spelling

NonNegative = Annotated[float, Field(ge=0)]


class LimitSettings(BaseModel):
    """What a run may take, lose and leave undone."""

    max_deleted: Annotated[
        float,
        Option(
            Group.LIMITS,
            "Largest share of the known files (0 to 1) that may be gone; above it the run stops before it writes: "
            "a folder may be unmounted. 1 allows all.",
            metavar="SHARE",
        ),
    ] = Field(default=0.2, ge=0, le=1)
    max_suspect: Annotated[
        float,
        Option(
            Group.LIMITS,
            "Largest share of the pages read (0 to 1) that may be empty, loop, hold no letters or be of low confidence "
            "and still end in exit 0. 1 allows all.",
            metavar="SHARE",
        ),
    ] = Field(default=0.5, ge=0, le=1)
    max_failures: Annotated[
        int, Option(Group.LIMITS, "Most failures (files, pages, shots, summaries, answers) that still end in exit 0.")
    ] = Field(default=0, ge=0)
    seconds_per_page: Annotated[
        float, Option(Group.LIMITS, "Decoding time limit for one page, or for one frame of a video, in seconds.")
    ] = Field(default=60.0, gt=0)
    seconds_per_file: Annotated[
        float,
        Option(
            Group.LIMITS,
            "Decoding time limit per file, in seconds; pages not decoded by then are recorded as failures.",
        ),
    ] = Field(default=6 * 3600.0, gt=0)
    seconds_per_read: Annotated[
        float, Option(Group.LIMITS, "Time limit of the model for one page, summary or answer, in seconds.")
    ] = Field(default=600.0, gt=0)
    canary_minutes: Annotated[
        float,
        Option(
            Group.LIMITS,
            "Minutes after which each replica reads two pages of known text again, as it does before it takes work; an "
            "actor that cannot read them is replaced, and the third ends the run. 0 turns this off.",
        ),
    ] = Field(default=5.0, ge=0)
    canary_limit: Annotated[
        float,
        Option(
            Group.LIMITS, "Largest share of wrong letters (0 to 1) on a page of known text that a model may read with."
        ),
    ] = Field(default=0.3, ge=0, le=1)
    memory_mb: Annotated[int, Option(Group.LIMITS, "Memory limit of each decoding process, in MB.")] = Field(
        default=2048, ge=256
    )
    max_replica_hours: Annotated[
        float | None,
        Option(
            Group.LIMITS,
            "Stop once all replicas together have been up for this many hours: GPU hours where each holds one GPU. "
            "The newest files come first.",
            ("--max-replica-hours", "--max-gpu-hours"),
            metavar="HOURS",
        ),
    ] = Field(default=None, gt=0)
    max_cost: Annotated[
        float | None,
        Option(
            Group.LIMITS,
            "Stop once the estimated cost of replicas and tokens reaches this amount; needs a price of either.",
        ),
    ] = Field(default=None, gt=0)
    deadline: Annotated[
        AwareDatetime | None,
        BeforeValidator(spelling.moment),
        Option(Group.LIMITS, "Stop at a time (2026-03-01T06:00) or after a while (6h, 1d12h).", metavar="WHEN"),
    ] = None
    increment_files: Annotated[
        int, Option(Group.LIMITS, "Most files after which what is done is published, while the run goes on.")
    ] = Field(default=100_000, ge=1)
    increment_seconds: Annotated[
        float, Option(Group.LIMITS, "Seconds after which, about, what is done is published, while the run goes on.")
    ] = Field(default=600.0, gt=0)


class PlanningSettings(BaseModel):
    """What a run costs, and what it tries again."""

    price_per_replica_hour: Annotated[
        float | None,
        Option(
            Group.PLANNING,
            "Price of one replica for one hour; used for --max-cost, for plans and for the cost column of runs.",
        ),
    ] = Field(default=None, ge=0)
    price_per_million_tokens: Annotated[
        tuple[NonNegative, NonNegative] | None,
        BeforeValidator(spelling.prices),
        Option(
            Group.PLANNING,
            "Prices of a million tokens read and written, IN,OUT; used for --max-cost, plans and the cost column "
            "of runs.",
            metavar="IN,OUT",
        ),
    ] = None
    retry_failed: Annotated[
        tuple[str, ...],
        BeforeValidator(spelling.words),
        Option(
            Group.PLANNING,
            "Try again what failed before: all, or reason codes of docs/failures.md, separated by commas.",
            metavar="REASONS",
        ),
    ] = ()
