"""Documents and videos to understand: what is wanted of each, and where its segments stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from folioscope.model.protocol import Chapter, Question
from folioscope.pipeline.tables.commits import Unit
from folioscope.pipeline.tables.rows import Row
from folioscope.schemas.structs import CHAPTER

QUESTION = pa.struct([("question_id", pa.string()), ("question", pa.string()), ("recipe_id", pa.string())])
SOURCE = pa.struct([("path", pa.string()), ("row_groups", pa.list_(pa.int32()))])
DOCUMENTS = pa.schema(
    [
        ("asset_id", pa.string()),
        ("uri", pa.string()),
        ("etag", pa.string()),
        ("size", pa.int64()),
        ("kind", pa.string()),
        ("title", pa.string()),
        ("duration_s", pa.float64()),
        ("chapters", pa.list_(CHAPTER)),
        ("sound_language", pa.string()),
        ("read_recipe_id", pa.string()),
        ("summary_recipe_id", pa.string()),
        ("sources", pa.list_(SOURCE)),
        ("summary_wanted", pa.bool_()),
        ("questions", pa.list_(QUESTION)),
    ]
)
_BUILT = ("duration_s", "chapters", "sources", "questions")  # what is not taken over as it stands


@dataclass(frozen=True, slots=True)
class SegmentSource:
    """A file that may hold segments, and the row groups of it that may; all of them where ``row_groups`` is None."""

    path: str
    row_groups: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question with the recipe of its answer."""

    question: Question
    recipe_id: str


@dataclass(frozen=True, slots=True)
class DocumentTasks:
    """What is wanted of one document or video, and where its segments stand. Matches one row of DOCUMENTS.

    ``chapters`` are those that a video's container names: whoever made it knows better than any model;
    ``sound_language`` is what it calls the language of its first sound track.
    """

    asset_id: str
    uri: str
    etag: str
    size: int | None
    kind: str
    title: str | None
    duration_s: float
    chapters: tuple[Chapter, ...]
    read_recipe_id: str
    summary_recipe_id: str
    sources: tuple[SegmentSource, ...]
    summary_wanted: bool
    questions: tuple[AskedQuestion, ...]
    sound_language: str | None = None

    @property
    def is_timed(self) -> bool:
        """Whether its segments are shots, or passages of sound."""
        return self.kind in ("video", "audio")

    @property
    def tasks(self) -> int:
        return int(self.summary_wanted) + len(self.questions)

    def without(self, settled: Collection[tuple[str, str | None]]) -> DocumentTasks:
        """What is left to do but for these tasks: (asset_id, question_id), of summaries with question_id None."""
        asked = (item for item in self.questions if (self.asset_id, item.question.question_id) not in settled)
        wanted = self.summary_wanted and (self.asset_id, None) not in settled
        return replace(self, summary_wanted=wanted, questions=tuple(asked))

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> DocumentTasks:
        sources = tuple(
            SegmentSource(item["path"], None if item["row_groups"] is None else tuple(item["row_groups"]))
            for item in row["sources"]
        )
        asked = tuple(
            AskedQuestion(Question(item["question_id"], item["question"]), item["recipe_id"])
            for item in row["questions"]
        )
        plain = {name: row[name] for name in DOCUMENTS.names if name not in _BUILT}
        return cls(
            **plain,
            duration_s=row["duration_s"] or 0.0,
            chapters=tuple(Chapter(**part) for part in row["chapters"] or ()),
            sources=sources,
            questions=asked,
        )

    def to_row(self) -> Row:
        plain: Row = {name: getattr(self, name) for name in DOCUMENTS.names if name not in _BUILT}
        sources = [{"path": item.path, "row_groups": item.row_groups} for item in self.sources]
        asked = [
            {"question_id": item.question.question_id, "question": item.question.text, "recipe_id": item.recipe_id}
            for item in self.questions
        ]
        return {
            **plain,
            "duration_s": self.duration_s,
            "chapters": [asdict(chapter) for chapter in self.chapters],
            "sources": sources,
            "questions": asked,
        }

    def summary_unit(self) -> Unit:
        return Unit("summarize", self.asset_id, self.summary_recipe_id)

    def answer_units(self) -> list[Unit]:
        return [
            Unit("answer", self.asset_id, item.recipe_id, question_id=item.question.question_id)
            for item in self.questions
        ]

    def units(self) -> list[Unit]:
        """What settles its tasks, in order: the summary first."""
        return [*([self.summary_unit()] if self.summary_wanted else []), *self.answer_units()]

    def parts(self) -> list[DocumentTasks]:
        """The summary and the answers apart, each where it is wanted."""
        summary, answers = replace(self, questions=()), replace(self, summary_wanted=False)
        return [part for part in (summary, answers) if part.tasks]
