"""What a run leaves undone, told in a few lines: failures by reason, and files that nobody read, by cause.

Asked of the ledger's database, over the files that the run listed: other archives in the same output are not spoken
of. Costs two aggregations; the result is a handful of groups with five examples each, however many files failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from folioscope.pipeline.failures import MEANING, Reason
from folioscope.pipeline.kinds import FILE_KINDS
from folioscope.pipeline.tables.ledger import Ledger
from folioscope.schemas.extras import install_command, installed

EXAMPLES = 5
ENDINGS_TOLD = 5


@dataclass(frozen=True, slots=True)
class FailedItem:
    """One file, page, summary or answer that failed. ``segment`` is a page's or shot's number."""

    uri: str
    stage: str
    segment: int | None
    message: str


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures of one reason: how many, what the reason means to the owner of the files, and the first few."""

    reason: str
    count: int
    meaning: str
    examples: tuple[FailedItem, ...]


@dataclass(frozen=True, slots=True)
class SkippedGroup:
    """Files that this run does not read. ``kind`` is by name; None for types that nobody here reads.

    ``endings`` are those of the files, the most frequent first; ``beyond_limit`` says that the run would read them,
    ``inside`` that they are attached to files that it reads.
    """

    kind: str | None
    count: int
    beyond_limit: bool
    endings: tuple[str, ...]
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Problems:
    """What a run leaves undone."""

    failures: tuple[FailureGroup, ...] = ()
    skipped: tuple[SkippedGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class SkippedFiles:
    """How many skipped files of a kind have one ending (``name``)."""

    kind: str | None
    beyond_limit: bool
    name: str
    count: int
    inside: bool = False


def problems_of(ledger: Ledger, kinds: Sequence[str], recipe_ids: Sequence[str]) -> Problems:
    """The failures that stand and the files skipped, of what this run listed.

    ``ledger`` holds ``listed`` and ``unlisted`` of the plan; ``recipe_ids`` are the run's own: failures of other
    models and prompts are not this run's.
    """
    rows = ledger.query(
        """
        SELECT reason, count(*) AS count,
               list({'uri': uri, 'stage': stage, 'segment': segment, 'message': message}
                    ORDER BY uri, segment, stage)[1:$2] AS examples
        FROM published_failures
        WHERE listed_uri(uri) IN (SELECT uri FROM listed UNION ALL SELECT uri FROM unlisted)
          AND (recipe_id IS NULL OR list_contains($1, recipe_id))
        GROUP BY reason ORDER BY count DESC, reason
        """,
        [list(recipe_ids), EXAMPLES],
    ).to_pylist()
    return Problems(tuple(map(_group, rows)), tuple(_skipped(ledger, kinds)))


def listing_problems(failed: Sequence[FailedItem], reasons: Sequence[Reason]) -> tuple[FailureGroup, ...]:
    """Inputs that could not be listed, by reason: of a plan, which commits no failures."""
    groups: dict[Reason, list[FailedItem]] = {}
    for item, reason in zip(failed, reasons, strict=True):
        groups.setdefault(reason, []).append(item)
    return tuple(
        FailureGroup(reason, len(items), _meaning(reason), tuple(items[:EXAMPLES])) for reason, items in groups.items()
    )


def _group(row: dict[str, Any]) -> FailureGroup:
    examples = tuple(FailedItem(**example) for example in row["examples"])
    return FailureGroup(row["reason"], row["count"], _meaning(row["reason"]), examples)


def _meaning(reason: str) -> str:
    return MEANING[Reason(reason)].replace("`", "")


def _skipped(ledger: Ledger, kinds: Sequence[str]) -> list[SkippedGroup]:
    rows = ledger.query(
        """
        SELECT named_kind AS kind, named_kind IS NOT NULL AND list_contains($1, named_kind) AS beyond_limit,
               lower(coalesce(nullif(regexp_extract(uri, '\\.[^./]+$'), ''), 'none')) AS name, inside, count(*) AS count
        FROM (SELECT named_kind, uri, false AS inside FROM listed WHERE skipped
              UNION ALL SELECT held.kind, held.name, true FROM (
                  SELECT unnest(attachments) AS held FROM published_assets
                  WHERE status <> 'deleted' AND listed_uri(uri) IN (SELECT uri FROM listed WHERE NOT skipped))
              WHERE held.reason = 'unsupported_type') AS unread
        GROUP BY ALL ORDER BY inside, kind, beyond_limit, count DESC, name
        """,
        [list(kinds)],
    ).to_pylist()
    return group_skipped([SkippedFiles(**row) for row in rows])


def group_skipped(skipped: Iterable[SkippedFiles]) -> list[SkippedGroup]:
    """By kind; of each the most frequent ending comes first, as it does in ``skipped``."""
    groups: dict[tuple[str | None, bool, bool], list[SkippedFiles]] = {}
    for files in skipped:
        groups.setdefault((files.kind, files.beyond_limit, files.inside), []).append(files)
    return [
        SkippedGroup(kind, sum(files.count for files in found), beyond, tuple(files.name for files in found), inside)
        for (kind, beyond, inside), found in groups.items()
    ]


def skipped_words(groups: Sequence[SkippedGroup]) -> str:
    """``3 videos: use --kinds videos; 2 files of unsupported types: .docx, .txt``."""
    return "; ".join(_in_words(group) for group in groups)


def _in_words(group: SkippedGroup) -> str:
    if group.kind is None:
        endings = [ending if ending != "none" else "no ending" for ending in group.endings]
        shown = ", ".join(endings[:ENDINGS_TOLD]) + (", …" if len(endings) > ENDINGS_TOLD else "")
        names = ("attached file", "attached files") if group.inside else ("file", "files")
        return f"{_count(group.count, names)} of unsupported types: {shown}"
    declared = FILE_KINDS[group.kind]
    attached = "attached " if group.inside else ""
    counted = _count(group.count, (attached + declared.singular, attached + declared.plural))
    if group.inside and group.kind == "subtitles":
        return f"{counted}: subtitles are read where they lie beside a video"
    if group.beyond_limit:
        return f"{counted} beyond --limit"
    if group.kind == "video" and not installed("video"):
        return f"{counted}: to read them, {install_command('video')}"
    return f"{counted}: to read them, use folioscope read, or --kinds {declared.media}"


def _count(count: int, names: tuple[str, str]) -> str:
    return f"{count:,} {names[count != 1]}"
