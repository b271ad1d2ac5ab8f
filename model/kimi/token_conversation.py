"""From messages and page images to token ids for an engine of this process, and back from completions to text.

Text of documents and questions enters as text alone: nothing in it can become a control token. What all requests about
a document have in common, its pages, is encoded apart from what differs, so that they share it to the token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from folioscope.model.engine.interface import Completion, Picture
from folioscope.model.kimi.conversation import Item, Prompt, Shared, truncated_thought
from folioscope.model.kimi_vl import KimiVLProcessor, split_thoughts
from folioscope.model.kimi_vl.chat import widen_images
from folioscope.model.kimi_vl.special_tokens import MEDIA_PAD
from folioscope.model.protocol import RgbImage


class TokenConversation:
    """See :class:`folioscope.model.kimi.conversation.Conversation`; for one checkpoint's processor."""

    def __init__(self, processor: KimiVLProcessor) -> None:
        self._processor = processor
        self._tokenizer = processor.tokenizer
        self._media_id = self._tokenizer.special_token_ids[MEDIA_PAD]

    @property
    def stop_ids(self) -> frozenset[int]:
        return frozenset(self._tokenizer.stop_ids)

    def share(self, items: Sequence[Item]) -> Shared:
        return Shared(tuple(item if isinstance(item, str) else self.picture(item) for item in items))

    def picture(self, image: RgbImage) -> Picture:
        """Raises ``ImageInputError`` for an image that the model cannot take."""
        out = self._processor.image_processor(image)
        rows, columns = out["image_grid_hws"][0].tolist()
        return Picture(np.ascontiguousarray(out["pixel_values"]), rows, columns, image)

    def image_tokens(self, width: int, height: int) -> int:
        return int(self._processor.image_processor.count_tokens(width, height))

    def text_tokens(self, text: str) -> int:
        return len(self._tokenizer.encode_text(text))

    def prompt(self, shared: Shared, text: str, *exchanges: str) -> Prompt:
        items = [{"type": "text", "text": i} if isinstance(i, str) else {"type": "image"} for i in shared.items]
        messages: list[dict[str, Any]] = [{"role": "user", "content": [*items, {"type": "text", "text": text}]}]
        roles = ("assistant", "user")
        messages += [{"role": roles[n % 2], "content": said} for n, said in enumerate(exchanges)]
        segments = self._tokenizer.chat_segments(messages, add_generation_prompt=True)
        # Untrusted segments are the items' texts in order; the own text is the first one that is not shared.
        texts = [place for place, segment in enumerate(segments) if not segment.trusted]
        split = texts[sum(isinstance(item, str) for item in shared.items)]
        pictures = shared.pictures
        widths = iter(picture.tokens for picture in pictures)
        head = widen_images(self._tokenizer.encode_segments(segments[:split]), self._media_id, widths)
        tail = self._tokenizer.encode_segments(segments[split:])
        return Prompt((*head, *tail), pictures, len(head))

    def decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def answer(self, completion: Completion) -> tuple[str, str | None]:
        thoughts = split_thoughts(self.decode(completion.ids))
        if thoughts.truncated:
            raise truncated_thought(completion)
        return thoughts.answer, thoughts.thoughts or None
