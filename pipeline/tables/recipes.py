"""Recipes: a hash of everything that decides a task's result, so that a result is reused exactly while it is valid.

A recipe takes in what it stands on: a summary's recipe holds the reading's, since another reading is another text.
Where nothing but the deployment differs (replicas, pages a unit, deadlines), the recipe stays the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Final

from folioscope.model.protocol import ReplicaDescription, Task
from folioscope.model.speech.interface import SPEECH_VERSION, SpeechModel
from folioscope.pipeline.decode.pages import DecodeSettings
from folioscope.schemas.tables import SCHEMA_VERSION

ASK_PREFIX: Final = "ask-"  # of the recipes of answers that `folioscope ask --keep` wrote; the views know it, too


@dataclass(frozen=True, slots=True)
class ByKind:
    """A recipe for documents and one for videos: what is changed for one leaves the other's results valid."""

    documents: str
    videos: str

    @property
    def ids(self) -> list[str]:
        """Both, as the SQL macro ``recipe_of`` takes them."""
        return [self.documents, self.videos]


@dataclass(frozen=True, slots=True)
class Recipes:
    """The recipe ids of one run. ``answer`` maps a question's id to the recipes of its answer."""

    read: ByKind
    summarize: ByKind
    answer: Mapping[str, ByKind]

    @property
    def ids(self) -> tuple[str, ...]:
        """All of them."""
        every = (self.read, self.summarize, *self.answer.values())
        return tuple(dict.fromkeys(id_ for pair in every for id_ in pair.ids))


def make_recipes(
    model: ReplicaDescription, decode: DecodeSettings, questions: Mapping[str, str], shots_recipe: str
) -> Recipes:
    """Recipes from the model, the decode settings and the questions (id → text); a video's also from how it is cut."""
    of_frames = {"max_pixels": decode.max_pixels, "thumbnail_px": decode.thumbnail_px}
    of_documents = partial(_digest, model, model.settings)
    of_videos = partial(_digest, model, model.video_settings)
    read = ByKind(
        of_documents("read", {"decode": asdict(decode)}),
        of_videos("read", {"decode": of_frames, "cut": shots_recipe}),
    )

    def both(task: Task, parts: Mapping[str, object]) -> ByKind:
        documents = of_documents(task, {"read": read.documents, **parts})
        return ByKind(documents, of_videos(task, {"read": read.videos, **parts}))

    answer = {id_: both("answer", {"question": text}) for id_, text in questions.items()}
    return Recipes(read, both("summarize", {}), answer)


def make_speech_recipe(model: SpeechModel) -> str:
    """What decides a transcript beside the bytes: the model, and how it is asked."""
    whole = ["speech", SPEECH_VERSION, model.name, model.revision, model.kind, model.tagged_only]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]


def _digest(
    model: ReplicaDescription, settings: Mapping[Task, dict[str, str]], task: Task, parts: Mapping[str, object]
) -> str:
    whole = {
        "task": task,
        "schema": SCHEMA_VERSION,
        "model": [model.name, model.revision],
        "settings": settings.get(task, {}),
        **parts,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
