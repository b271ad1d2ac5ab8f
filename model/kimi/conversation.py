"""From messages and page images to an engine's requests, and back from completions to text.

Text of documents and questions enters as text alone: nothing in it can become a control token. What all requests about
a document have in common, its pages, is encoded apart from what differs, so that they share it to the token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from model.engine.interface import Completion, Picture
from model.kimi.structured import TruncatedThoughtError
from model.kimi_vl import KimiVLProcessor, split_thoughts
from model.kimi_vl.chat import widen_images
from model.kimi_vl.special_tokens import MEDIA_PAD
from model.protocol import RgbImage

Item = str | RgbImage


@dataclass(frozen=True, slots=True)
class Prompt:
    """``shared`` of the ids belong to what several requests have in common."""

    ids: tuple[int, ...]
    pictures: tuple[Picture, ...]
    shared: int = 0


@dataclass(frozen=True, slots=True)
class Shared:
    """The beginning of a user's turn: pages, as text or images, prepared once."""

    items: tuple[Item, ...]
    pictures: tuple[Picture, ...] = field(repr=False)


class Conversation:
    """Builds prompts for one checkpoint's processor."""

    def __init__(self, processor: KimiVLProcessor) -> None:
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._media_id = self._tokenizer.special_token_ids[MEDIA_PAD]

    @property
    def stop_ids(self) -> frozenset[int]:
        return frozenset(self._tokenizer.stop_ids)

    def share(self, items: Sequence[Item]) -> Shared:
        """Pages for the beginning of several prompts; their images are cut into patches once."""
        return Shared(tuple(items), tuple(self.picture(item) for item in items if not isinstance(item, str)))

    def picture(self, image: RgbImage) -> Picture:
        """Raises ``ImageInputError`` for an image that the model cannot take."""
        out = self._processor.image_processor(image)
        rows, columns = out["image_grid_hws"][0].tolist()
        return Picture(np.ascontiguousarray(out["pixel_values"]), rows, columns, image)

    def image_tokens(self, width: int, height: int) -> int:
        """Tokens that an image of this size takes. Raises ``ImageInputError``."""
        return int(self._processor.image_processor.count_tokens(width, height))

    def text_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode_text(text))

    def prompt(self, shared: Shared, text: str, *exchanges: str) -> Prompt:
        """A user's turn of shared items and a text of its own; then turns of assistant and user, in turn."""
        items = [{"type": "text", "text": i} if isinstance(i, str) else {"type": "image"} for i in shared.items]
        messages: list[dict[str, Any]] = [{"role": "user", "content": [*items, {"type": "text", "text": text}]}]
        roles = ("assistant", "user")
        messages += [{"role": roles[n % 2], "content": said} for n, said in enumerate(exchanges)]
        segments = self._tokenizer.chat_segments(messages, add_generation_prompt=True)
        # Untrusted segments are the items' texts in order; the own text is the first one that is not shared.
        texts = [place for place, segment in enumerate(segments) if not segment.trusted]
        split = texts[sum(isinstance(item, str) for item in shared.items)]
        widths = iter(picture.tokens for picture in shared.pictures)
        head = widen_images(self._tokenizer.encode_segments(segments[:split]), self._media_id, widths)
        tail = self._tokenizer.encode_segments(segments[split:])
        return Prompt((*head, *tail), shared.pictures, len(head))

    def text(self, completion: Completion) -> str:
        return str(self._tokenizer.decode(list(completion.ids), skip_special_tokens=True))

    def answer(self, completion: Completion) -> tuple[str, str | None]:
        """(answer, thoughts or None). Raises :class:`TruncatedThoughtError`."""
        thoughts = split_thoughts(self.text(completion))
        if thoughts.truncated:
            raise TruncatedThoughtError(
                f"the model was still thinking after {len(completion.ids)} tokens and gave no answer; allow it more"
            )
        return thoughts.answer, thoughts.thoughts or None
