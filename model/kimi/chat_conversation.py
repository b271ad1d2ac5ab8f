"""From messages and page images to turns of a chat for a server, and from its answers to text and thoughts.

Pictures are sent in the size in which they come, as JPEG of high quality with full colour. How many tokens things take
can only be guessed, on the safe side: a server that counts otherwise refuses what does not fit.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

from PIL import Image

from folioscope.model.engine.interface import Completion, Decode, EncodedImage, Role, Turn
from folioscope.model.kimi.conversation import Item, Prompt, Shared, truncated_thought
from folioscope.model.protocol import RgbImage
from folioscope.model.thoughts import MARKS

ROLES: tuple[Role, Role] = ("assistant", "user")
JPEG_QUALITY = 95
PIXELS_PER_TOKEN = 28 * 28  # of the finest models in use; others take fewer tokens
BYTES_PER_TOKEN = 3


class ChatConversation:
    """See :class:`folioscope.model.kimi.conversation.Conversation`. ``thinks``: answers may begin inside thoughts.

    Templates of some Thinking models open the thoughts themselves, so that only their end is seen.
    """

    stop_ids: frozenset[int] = frozenset()
    decode: Decode | None = None

    def __init__(self, *, thinks: bool = False) -> None:
        self._thinks = thinks

    def share(self, items: Sequence[Item]) -> Shared:
        return Shared(tuple(item if isinstance(item, str) else encoded(item) for item in items))

    def image_tokens(self, width: int, height: int) -> int:
        return math.ceil(width * height / PIXELS_PER_TOKEN) + 8

    def text_tokens(self, text: str) -> int:
        return len(text.encode()) // BYTES_PER_TOKEN + 1

    def prompt(self, shared: Shared, text: str, *exchanges: str) -> Prompt:
        items = tuple(item for item in shared.items if isinstance(item, str | EncodedImage))
        first = Turn("user", (*items, text) if text else items)
        rest = (Turn(ROLES[number % 2], (said,)) for number, said in enumerate(exchanges))
        return Prompt(turns=(first, *rest))

    def answer(self, completion: Completion) -> tuple[str, str | None]:
        """A completion that was cut off inside its thoughts is no answer."""
        text, thoughts = completion.text or "", completion.thoughts
        for opening, closing in MARKS:
            before, closed, after = text.partition(closing)
            if closed:
                self._thinks = self._thinks or opening not in before
                return after.strip(), before.partition(opening)[2].strip() or before.strip()
            if opening in text:
                raise truncated_thought(completion)
        ended = completion.finish_reason == "stop"
        if not ended and not text.strip() and thoughts:
            raise truncated_thought(completion)
        if not ended and self._thinks and not thoughts:  # it may never have come out of its thoughts
            raise truncated_thought(completion)
        return text.strip(), thoughts


def encoded(image: RgbImage) -> EncodedImage:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return EncodedImage(f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}")
