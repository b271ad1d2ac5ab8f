"""Kimi-VL's chat layout, and how text that came from outside stays text inside it.

A chat template makes one string, and in a string a user's "<|im_end|>" looks like the template's own. So before
rendering, every piece of message text is put between two marks that occur in none of the messages; after rendering,
what stands between marks is text, and only what stands outside can name a special token. Two pieces that join into
a special name after rendering ("<|im_" and "end|>") stay text as well. Costs a few microseconds a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from folioscope.model.kimi_vl.special_tokens import (
    IM_ASSISTANT,
    IM_END,
    IM_MIDDLE,
    IM_SYSTEM,
    IM_USER,
    MEDIA_CONTENT,
    MEDIA_END,
    MEDIA_PAD,
    MEDIA_START,
)

ROLES = ("system", "user", "assistant")
IMAGE_BLOCK = f"{MEDIA_START}image{MEDIA_CONTENT}{MEDIA_PAD}{MEDIA_END}"
DEFAULT_SYSTEM = "You are a helpful assistant"

# No line breaks, no [BOS], nothing between the items of one message; a default system turn unless one is given.
CHAT_TEMPLATE = (
    "{%- set openers = {'system': '" + IM_SYSTEM + "', 'user': '" + IM_USER + "', 'assistant': '" + IM_ASSISTANT + "'}"
    " -%}\n"
    "{%- if messages and messages[0]['role'] != 'system' -%}\n"
    "  {{- openers['system'] ~ 'system" + IM_MIDDLE + DEFAULT_SYSTEM + IM_END + "' -}}\n"
    "{%- endif -%}\n"
    "{%- for message in messages -%}\n"
    "  {{- openers.get(message['role'], '') ~ message['role'] ~ '" + IM_MIDDLE + "' -}}\n"
    "  {%- if message['content'] is string -%}\n"
    "    {{- message['content'] -}}\n"
    "  {%- else -%}\n"
    "    {%- for item in message['content'] -%}\n"
    "      {%- if item['type'] == 'image' or 'image' in item or 'image_url' in item -%}\n"
    "        {{- '" + IMAGE_BLOCK + "' -}}\n"
    "      {%- else -%}\n"
    "        {{- item['text'] -}}\n"
    "      {%- endif -%}\n"
    "    {%- endfor -%}\n"
    "  {%- endif -%}\n"
    "  {{- '" + IM_END + "' -}}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n"
    "  {{- openers['assistant'] ~ 'assistant" + IM_MIDDLE + "' -}}\n"
    "{%- endif -%}\n"
)  # fmt: skip

# Conversations that show every branch of the layout; two templates that agree on them are taken as the same.
PROBES: tuple[list[dict[str, Any]], ...] = (
    [{"role": "user", "content": "a"}],
    [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "a "}]}],
    [
        {"role": "user", "content": [{"type": "image", "image": "x"}, {"type": "image_url", "image_url": "y"}]},
        {"role": "assistant", "content": "b\n"},
        {"role": "user", "content": [{"type": "text", "text": "c"}, {"type": "image"}, {"type": "text", "text": "d"}]},
    ],
)

Message = Mapping[str, Any]


class ChatError(ValueError):
    """Messages that the chat layout cannot express, or a template that changes what they say."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a prompt. Only in a ``trusted`` one do the names of special tokens stand for them."""

    text: str
    trusted: bool


@dataclass(frozen=True, slots=True)
class Marks:
    """Two strings that stand around message text while a template is rendered."""

    opening: str
    closing: str

    def around(self, text: str) -> str:
        return f"{self.opening}{text}{self.closing}"


def check_messages(messages: Any) -> None:
    """Raises :class:`ChatError`, naming the message, unless the layout can express all of them."""
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence) or not messages:
        raise ChatError("A conversation is a list of at least one message, each a dict with 'role' and 'content'.")
    for number, message in enumerate(messages):
        where = f"Message {number}"
        if not isinstance(message, Mapping) or "role" not in message or "content" not in message:
            raise ChatError(f"{where} is not a dict with 'role' and 'content'.")
        if message["role"] not in ROLES:
            raise ChatError(f"{where} has the role {message['role']!r}; Kimi-VL knows {', '.join(ROLES)}.")
        content = message["content"]
        if isinstance(content, str):
            continue
        if not isinstance(content, (list, tuple)):
            raise ChatError(f"{where}: 'content' is {type(content).__name__}; a string or a list of items is needed.")
        for place, item in enumerate(content):
            if not isinstance(item, Mapping):
                raise ChatError(f"{where}, item {place} is {type(item).__name__}; a dict is needed.")
            if not is_image_item(item) and not isinstance(item.get("text"), str):
                raise ChatError(f"{where}, item {place} has neither an image nor a 'text' string.")


def is_image_item(item: Mapping[str, Any]) -> bool:
    return item.get("type") == "image" or "image" in item or "image_url" in item


def images_in(messages: Sequence[Message]) -> list[Any]:
    """What the image items hold, in order; None for an item that holds no image itself."""
    return [_image_of(item) for message in messages for item in _items(message) if is_image_item(item)]


def choose_marks(messages: Sequence[Message]) -> Marks:
    """Marks that occur in no text of these messages."""
    texts = list(_texts(messages))
    number = 0
    while True:
        # Noncharacters: no ordinary text holds them, and the number settles it for the rest. Neither mark begins as
        # either ends, so text that ends in half a mark cannot complete one.
        marks = Marks(f"\ufdd0{number}\ufdd1", f"\ufdd2{number}\ufdd3")
        if not any(marks.opening in text or marks.closing in text for text in texts):
            return marks
        number += 1


def mark(messages: Sequence[Message], marks: Marks) -> list[dict[str, Any]]:
    """The messages with their text between marks, and with nothing else in them that a template could print."""
    marked: list[dict[str, Any]] = []
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            marked.append({"role": message["role"], "content": marks.around(content)})
            continue
        items = [
            {"type": "image"} if is_image_item(item) else {"type": "text", "text": marks.around(item["text"])}
            for item in content
        ]
        marked.append({"role": message["role"], "content": items})
    return marked


def read_marks(rendered: str, marks: Marks, messages: Sequence[Message]) -> list[Segment]:
    """The rendered chat as segments: trusted outside the marks, not trusted inside.

    Raises :class:`ChatError` where the template cut, joined or rewrote message text, so that the marks no longer
    stand around whole pieces of it: such a prompt cannot be told apart.
    """
    known = set(_texts(messages))
    parts = re.split(f"({re.escape(marks.opening)}|{re.escape(marks.closing)})", rendered)
    segments = [Segment(parts[0], trusted=True)]
    inside = False
    for place in range(1, len(parts), 2):
        text = parts[place + 1]
        opens = parts[place] == marks.opening
        if opens is inside or (opens and text not in known):
            raise ChatError(
                "This checkpoint's chat template changes the text of messages, so that their text cannot be kept apart "
                "from the template's own tokens. Render it with tokenize=False and judge the prompt yourself, or pass "
                "chat_template=folioscope.model.kimi_vl.chat.CHAT_TEMPLATE."
            )
        inside = opens
        segments.append(Segment(text, trusted=not inside))
    if inside:
        raise ChatError("This checkpoint's chat template drops the end of a message's text.")
    return segments


def widen_images(ids: Iterable[int], media_id: int, widths: Iterator[int]) -> list[int]:
    """A prompt's ids with each image's one id repeated as often as the image has tokens, the next of ``widths``."""
    return [i for token in ids for i in [token] * (next(widths) if token == media_id else 1)]


def _items(message: Message) -> Sequence[Mapping[str, Any]]:
    content = message["content"]
    return () if isinstance(content, str) else content


def _texts(messages: Sequence[Message]) -> Iterator[str]:
    for message in messages:
        if isinstance(message["content"], str):
            yield message["content"]
        yield from (item["text"] for item in _items(message) if not is_image_item(item))


def _image_of(item: Mapping[str, Any]) -> Any:
    url = item.get("image_url")
    if url is not None:
        return url.get("url") if isinstance(url, Mapping) else url
    return next((item[key] for key in ("image", "url", "path", "base64") if item.get(key) is not None), None)
