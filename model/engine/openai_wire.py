"""What goes over the wire to a server that speaks OpenAI's chat completions, and what comes back, piece by piece.

Pure functions and small classes: no network, no keys.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from folioscope.model.engine.interface import FinishReason, Request, Turn
from folioscope.model.engine.loops import find_loop, is_due

# What a request can do without: dropped for a server that does not know it.
EXTRAS = (
    "continuous_usage_stats",
    "stream_options",
    "logprobs",
    "response_format",
    "skip_special_tokens",
    "seed",
    "top_p",
    "temperature",
)
_PLAIN_URL = re.compile(r"data:[\w/+.-]+;base64,")  # what follows holds nothing that JSON escapes
OLD_LIMIT, NEW_LIMIT = "max_tokens", "max_completion_tokens"
_PIECE = re.compile(r"</?\w+|\w{1,6}|\s|[^\w\s]")  # about as long as a tokenizer's, for the detection of loops


class NonsenseError(ValueError):
    """The server sent what is no completion."""


class ServerSaysError(RuntimeError):
    """The server sent an error instead of, or in the middle of, a completion."""


def extras_of(request: Request) -> frozenset[str]:
    """The extras that a request would use."""
    always = {"continuous_usage_stats", "stream_options", "logprobs", "temperature"}
    if request.schema is not None:
        always.add("response_format")
    if request.keep_special_tokens:
        always.add("skip_special_tokens")
    if request.sampling.temperature > 0:
        always.add("seed")
    if request.sampling.top_p < 1:
        always.add("top_p")
    return frozenset(always)


def body_of(request: Request, model: str, without: frozenset[str], limit_name: str = OLD_LIMIT) -> bytes:
    """The JSON of a request, less the extras that the server does not know."""
    sampling, used = request.sampling, extras_of(request) - without
    body: dict[str, Any] = {"model": model, limit_name: sampling.max_new_tokens, "stream": True}
    if "stream_options" in used:
        body["stream_options"] = {"include_usage": True}
        if "continuous_usage_stats" in used:
            body["stream_options"]["continuous_usage_stats"] = True
    if "response_format" in used and request.schema is not None:
        form = {"name": "answer", "schema": json.loads(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    values: dict[str, object] = {
        "logprobs": True,
        "skip_special_tokens": False,
        "seed": sampling.seed,
        "top_p": sampling.top_p,
        "temperature": sampling.temperature,
    }
    body |= {name: value for name, value in values.items() if name in used}
    pieces = [b'{"messages":[']
    for number, turn in enumerate(request.turns):
        pieces += [b"," if number else b"", *_message(turn)]
    return b"".join((*pieces, b"],", _json(body)[1:]))


def _message(turn: Turn) -> Iterator[bytes]:
    """In pieces: a picture of some 400,000 letters is copied once, and not looked through for what JSON escapes."""
    if all(isinstance(item, str) for item in turn.items):
        yield _json({"role": turn.role, "content": "\n".join(str(item) for item in turn.items)})
        return
    yield b'{"role":' + _json(turn.role) + b',"content":['
    for number, item in enumerate(turn.items):
        yield b"," if number else b""
        if isinstance(item, str):
            yield _json({"type": "text", "text": item})
        elif _PLAIN_URL.match(item.url, 0, 64):
            yield from (b'{"type":"image_url","image_url":{"url":"', item.url.encode(), b'"}}')
        else:
            yield _json({"type": "image_url", "image_url": {"url": item.url}})
    yield b"]}"


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(slots=True)
class _Written:
    """Text as it comes, cut into pieces so that a loop in it is found early."""

    text: str = ""
    pieces: list[str] = field(default_factory=list)
    _open: str = ""  # the last piece, which may still grow
    _looked: int = 0

    def add(self, more: str) -> None:
        self.text += more
        found = _PIECE.findall(self._open + more)
        self._open = found.pop() if found else ""
        self.pieces += found

    def kept_of_loop(self) -> str | None:
        """What to keep, where it has begun to loop since it was last looked at."""
        due = next((n for n in range(self._looked + 1, len(self.pieces) + 1) if is_due(n)), None)
        self._looked = len(self.pieces)
        kept = None if due is None else find_loop(self.pieces, "".join)
        return None if kept is None else "".join(self.pieces[:kept])


@dataclass(slots=True)
class Answer:
    """A completion, put together from its pieces. ``finish_reason`` is None until it has ended."""

    stop_on_loop: bool
    finish_reason: FinishReason | None = None
    content: _Written = field(default_factory=_Written)
    thoughts: _Written = field(default_factory=_Written)
    logprob_sum: float = 0.0
    logprobs: int = 0
    min_logprob: float | None = None
    chunks: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int = 0
    kept: str | None = None

    @property
    def text(self) -> str:
        return self.content.text if self.kept is None else self.kept

    @property
    def mean_logprob(self) -> float | None:
        return self.logprob_sum / self.logprobs if self.logprobs else None

    @property
    def tokens(self) -> int:
        """As the server counts them; else its pieces, of which each is a token or a few."""
        return self.chunks if self.completion_tokens is None else self.completion_tokens

    def take(self, event: str) -> None:
        """One event of the stream. Raises :class:`NonsenseError` and :class:`ServerSaysError`."""
        try:
            self._take(json.loads(event))
        except (json.JSONDecodeError, AttributeError, KeyError, TypeError, IndexError) as error:
            raise NonsenseError(f"it sent what is no piece of a completion ({type(error).__name__})") from None

    def _take(self, event: dict[str, Any]) -> None:
        if event.get("error"):
            raise ServerSaysError(message_of(event))
        if usage := event.get("usage"):
            self.prompt_tokens = int(usage.get("prompt_tokens") or 0)
            self.completion_tokens = int(usage.get("completion_tokens") or 0)
            self.cached_tokens = int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
        for choice in event["choices"][:1]:
            said = choice.get("delta") or choice.get("message") or {}
            self._add(said.get("content"), said.get("reasoning_content") or said.get("reasoning"))
            for token in (choice.get("logprobs") or {}).get("content") or ():
                self.logprob_sum += max(float(token["logprob"]), -100.0)
                self.logprobs += 1
                self.min_logprob = min(float(token["logprob"]), self.min_logprob or 0.0)
            if reason := choice.get("finish_reason"):
                self._finish(str(reason))

    def _add(self, content: str | None, thoughts: str | None) -> None:
        for written, more in ((self.content, content), (self.thoughts, thoughts)):
            if not more:
                continue
            self.chunks += 1
            written.add(more)
            if self.stop_on_loop and (kept := written.kept_of_loop()) is not None:
                self.finish_reason = "loop"
                self.kept = kept if written is self.content else ""

    def _finish(self, reason: str) -> None:
        if self.finish_reason is not None:
            return
        if reason == "content_filter":
            raise ServerSaysError("it withheld the answer (content_filter)")
        self.finish_reason = "length" if reason in ("length", "max_tokens") else "stop"


def message_of(answer: object) -> str:
    """What a server says is wrong, in a line."""
    found: object = answer
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and key in found:
            found = found[key]
    words = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)
    return " ".join(words.split())[:500]


def rejected_extras(message: str, used: frozenset[str]) -> frozenset[str]:
    """The extras that a server's words of refusal name."""
    return frozenset(name for name in used if name in message)
