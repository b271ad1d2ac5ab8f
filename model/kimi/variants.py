"""Instruct or Thinking: told from the checkpoint itself, and what follows for how the model is asked.

The published variants differ in their weights alone; what tells them apart in the files beside is a template that opens
thoughts, the larger pictures of Thinking-2506, or the last part of the checkpoint's name. Folders above it say nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from folioscope.model.choice import Variant
from folioscope.model.engine.interface import Sampling
from folioscope.model.thoughts import OPENING

TEMPLATE_FILES = ("chat_template.jinja", "tokenizer_config.json", "chat_template.json")
THINKING_PATCHES = 16_384  # in_token_limit of Thinking-2506; Instruct has 4,096


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a variant is asked. ``thinks`` that it writes thoughts before it answers."""

    read: Sampling
    summary: Sampling
    answer: Sampling
    thinks: bool = False

    def within(self, context_tokens: int) -> Behaviour:
        """The same for a model with little context: of it no answer may take more than half."""
        most = context_tokens // 2
        read, summary, answer = (_at_most(sampling, most) for sampling in (self.read, self.summary, self.answer))
        return replace(self, read=read, summary=summary, answer=answer)


def _at_most(sampling: Sampling, tokens: int) -> Sampling:
    return replace(sampling, max_new_tokens=min(sampling.max_new_tokens, tokens))


# Temperatures are those of the model's card. A Thinking model needs room for its thoughts.
INSTRUCT = Behaviour(Sampling(4096, 0.2), Sampling(1536, 0.2), Sampling(768, 0.2))
THINKING = Behaviour(Sampling(12_288, 0.8), Sampling(12_288, 0.8), Sampling(12_288, 0.8), thinks=True)


def behaviour_of(variant: Variant) -> Behaviour:
    return THINKING if variant == "thinking" else INSTRUCT


def variant_by_name(name: str) -> Variant:
    """By the last part of a path or of a name on the hub, without the revision."""
    last = name.partition("@")[0].rstrip("/").rpartition("/")[2]
    return "thinking" if "thinking" in last.casefold() else "instruct"


def variant_of(filesystem: Any, root: str, name: str) -> Variant:
    """The variant of a checkpoint that lies at ``root`` and was asked for by ``name``."""
    for file in TEMPLATE_FILES:
        if filesystem.exists(f"{root}/{file}") and _opens_thoughts(filesystem.cat_file(f"{root}/{file}")):
            return "thinking"
    settings = f"{root}/preprocessor_config.json"
    if filesystem.exists(settings):
        limit = json.loads(filesystem.cat_file(settings)).get("in_token_limit")
        if isinstance(limit, int) and limit >= THINKING_PATCHES:
            return "thinking"
    return variant_by_name(name)


def _opens_thoughts(template: bytes) -> bool:
    """Whether the marker occurs, as it is or as JSON spells it."""
    return OPENING.encode() in template or json.dumps(OPENING)[1:-1].encode() in template
