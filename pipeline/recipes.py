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

from model.protocol import ReplicaDescription, Task
from pipeline.decode.pages import DecodeSettings
from schemas.tables import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Recipes:
    """The recipe ids of one run. ``answer`` maps a question's id to the recipe of its answer."""

    read: str
    summarize: str
    answer: Mapping[str, str]


def make_recipes(
    model: ReplicaDescription, decode: DecodeSettings, questions: Mapping[str, str], cut_recipe: str | None = None
) -> Recipes:
    """Recipes from the model, the decode settings and the questions (id → text); a film's also from how it is cut."""
    digest = partial(_digest, model, model.settings if cut_recipe is None else model.film_settings)
    if cut_recipe is None:
        read = digest("read", {"decode": asdict(decode)})
    else:
        of_frames = {"max_pixels": decode.max_pixels, "thumbnail_px": decode.thumbnail_px}
        read = digest("read", {"decode": of_frames, "cut": cut_recipe})
    return Recipes(
        read=read,
        summarize=digest("summarize", {"read": read}),
        answer={id_: digest("answer", {"read": read, "question": text}) for id_, text in questions.items()},
    )


def _digest(
    model: ReplicaDescription, settings: Mapping[Task, dict[str, str]], task: Task, parts: Mapping[str, object]
) -> str:
    whole = {
        "task": task,
        "schema": SCHEMA_VERSION,
        "model": [model.name, model.revision],
        "settings": settings[task],
        **parts,
    }
    return hashlib.sha256(json.dumps(whole, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]
