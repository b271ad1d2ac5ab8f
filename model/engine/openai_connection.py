"""One server that speaks OpenAI's chat completions: its client, what it was found not to know, and how it is doing.

A try either gives an answer, or says whether another try may help (:class:`TryAgainError`) or not (``RequestError``).
The key is read from the environment when the connection is made. It is held here alone, and taken out of everything
that the server says; a connection is never pickled.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NoReturn

import httpx2

from folioscope.model.engine.concurrency import ConcurrencyLimit
from folioscope.model.engine.interface import Request, RequestError
from folioscope.model.engine.openai_servers import Server, hide
from folioscope.model.engine.openai_wire import (
    NEW_LIMIT,
    OLD_LIMIT,
    Answer,
    NonsenseError,
    ServerSaysError,
    body_of,
    extras_of,
    message_of,
    rejected_extras,
)

TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
REFUSALS = frozenset({429, 503, 529})
UNKNOWN_EXTRAS = frozenset({400, 422})
END_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds and tries. ``stall`` is between two pieces of an answer, ``absence`` of a server that is gone or full."""

    connect: float = 15.0
    stall: float = 180.0
    answer: float = 3600.0
    absence: float = 600.0
    tries: int = 6
    first_wait: float = 1.0
    longest_wait: float = 30.0
    longest_asked_for: float = 600.0  # by Retry-After


class TryAgainError(Exception):
    """A try failed of something that may pass. ``wait`` is what the server asks for.

    ``free`` tries are not counted, only timed: the server was full or not there. ``refused`` says that it was full.
    """

    def __init__(self, why: str, *, wait: float | None = None, free: bool = False, refused: bool = False) -> None:
        super().__init__(why)
        self.wait, self.free, self.refused = wait, free, refused


class Connection:
    """``limit`` is how many requests the server is given at once. ``absent_since`` is when it could not be reached."""

    def __init__(self, server: Server, patience: Patience, limit: ConcurrencyLimit) -> None:
        self.server = server
        self.limit = limit
        self.paused_until = 0.0
        self.absent_since: float | None = None
        self._patience = patience
        self._key = server.key()
        self._unknown: frozenset[str] = frozenset()
        self._proven: frozenset[str] = frozenset()
        self._limit_name = OLD_LIMIT
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._client = httpx2.AsyncClient(
            base_url=server.url,
            headers=headers,
            timeout=httpx2.Timeout(patience.stall, connect=patience.connect, pool=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError("A connection holds a key and is not pickled.")

    def hide(self, text: str) -> str:
        """The text without this server's key."""
        return hide(text, self._key)

    async def ask(self, request: Request) -> Answer:
        """One try; a few where the server turns out not to know an extra.

        Raises :class:`TryAgainError` and ``RequestError``.
        """
        while True:
            used, limit_name = extras_of(request) - self._unknown, self._limit_name
            body = body_of(request, self.server.model, self._unknown, limit_name)
            try:
                async with self._client.stream("POST", "/chat/completions", content=body) as response:
                    self.absent_since = None
                    if response.status_code == 200:
                        answer = await _read(request, response)
                        self._proven |= used
                        return answer
                    status, retry_after = response.status_code, response.headers.get("retry-after")
                    said = self.hide(_words(await response.aread()))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                self.absent_since = self.absent_since or time.monotonic()
                raise TryAgainError(f"it cannot be reached ({type(error).__name__})", free=True) from None
            except httpx2.HTTPError as error:
                what = "it stalled" if isinstance(error, httpx2.TimeoutException) else "the connection broke"
                raise TryAgainError(f"{what} ({type(error).__name__})") from None
            except (NonsenseError, ServerSaysError) as error:
                raise TryAgainError(self.hide(str(error))) from None
            if status in UNKNOWN_EXTRAS and self._drop_extras(said, used, limit_name):
                continue
            if status in TRANSIENT:
                refused = status in REFUSALS
                wait = _asked_wait(retry_after, self._patience.longest_asked_for)
                raise TryAgainError(f"HTTP {status}: {said}", wait=wait, free=refused, refused=refused)
            raise RequestError(f"HTTP {status}: {said}{_advice(status, self.server)}")

    def _drop_extras(self, said: str, used: frozenset[str], limit_name: str) -> bool:
        """True where the request is to be sent once more, without what the server seems not to know."""
        if NEW_LIMIT in said and limit_name == OLD_LIMIT:
            self._limit_name = NEW_LIMIT
            return True
        dropped = rejected_extras(said, used) or (used - self._proven)
        self._unknown |= dropped
        if dropped:
            _LOG.info("%s does not know %s", self.server.host, ", ".join(sorted(dropped)))
        return bool(dropped)


async def _read(request: Request, response: httpx2.Response) -> Answer:
    """The answer as it comes, up to where it ends or loops. Raises ``NonsenseError`` and ``ServerSaysError``."""
    answer = Answer(request.stop_on_loop)
    if "event-stream" not in response.headers.get("content-type", ""):
        answer.take((await response.aread()).decode("utf-8", "replace"))
    else:
        lines = response.aiter_lines()
        async for line in lines:
            data = line[5:].strip() if line.startswith("data:") else ""
            if data == "[DONE]":
                await _to_the_end(lines)
                break
            if data:
                answer.take(data)
            if answer.finish_reason == "loop":
                break
    if answer.finish_reason is None:
        raise NonsenseError("its answer broke off")
    return answer


async def _to_the_end(lines: AsyncIterator[str]) -> None:
    """Wait a moment for the end of an answer that is there: a connection that was read to its end is used again."""
    with suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(END_SECONDS):
            async for _ in lines:
                pass


def _asked_wait(header: str | None, most: float) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return min(max(seconds, 0.0), most)


def _words(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    try:
        return message_of(json.loads(text))
    except json.JSONDecodeError:
        return " ".join(text.split())[:500]


def _advice(status: int, server: Server) -> str:
    if status in (401, 403):
        return f". Put the server's key into one of {', '.join(server.key_variables)}, where the actors run."
    if status == 404:
        return f". Check that the URL ends as the server wants it (often /v1), and that it knows {server.model}."
    if status == 413:
        return ". Render pages smaller: lower --dpi."
    return ""
