"""A server on this machine that speaks chat completions, and misbehaves as a test tells it to.

It reads no picture: a test's script says what it answers. Counts what it was asked, and how many requests it held at
once. Runs in a thread of its own (aiohttp).
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

KEY = "sk-test-SECRET-4711"


@dataclass(slots=True)
class Say:
    """An answer. ``pieces`` are its chunks; None among them breaks the connection, a number stalls for so many seconds."""

    pieces: list[str | float | None] = field(default_factory=list)
    finish: str | None = "stop"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    error: object = None  # the body where the status is not 200; within a stream, an event
    raw: str | None = None  # sent instead of events
    thoughts: str = ""
    seconds: float = 0.0
    logprob: float | None = -0.1


Script = Callable[[dict[str, Any], int], Say]


@dataclass(slots=True)
class ChatServer:
    """``script`` gets a request's body and its number, from 0."""

    script: Script
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)  # connections that requests came by
    held: int = 0
    most_held: int = 0
    cut_off: int = 0  # streams that the client ended
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "tiny", "max_model_len": 32_768}])

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        number = len(self.bodies)
        self.bodies.append(body)
        self.keys.append(request.headers.get("Authorization", ""))
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        self.held += 1
        self.most_held = max(self.most_held, self.held)
        try:
            return await self._answer(request, self.script(body, number))
        except (ConnectionResetError, asyncio.CancelledError):
            self.cut_off += 1
            raise
        finally:
            self.held -= 1

    async def _answer(self, request: web.Request, say: Say) -> web.StreamResponse:
        if say.seconds:
            await asyncio.sleep(say.seconds)
        if say.status != 200:
            text = say.error if isinstance(say.error, str) else json.dumps({"error": say.error})
            return web.Response(status=say.status, text=text, headers=say.headers)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **say.headers})
        await response.prepare(request)
        if say.raw is not None:
            await response.write(say.raw.encode())
            return response
        if say.thoughts:
            await self._event(response, {"choices": [{"delta": {"reasoning_content": say.thoughts}}]})
        for piece in say.pieces:
            if piece is None:
                assert request.transport is not None
                request.transport.abort()
                return response
            if isinstance(piece, float):
                await asyncio.sleep(piece)
                continue
            choice: dict[str, Any] = {"delta": {"content": piece}}
            if say.logprob is not None:
                choice["logprobs"] = {"content": [{"logprob": say.logprob}]}
            await self._event(response, {"choices": [choice]})
        if say.error is not None:
            await self._event(response, {"error": say.error})
        if say.finish is not None:
            await self._event(response, {"choices": [{"delta": {}, "finish_reason": say.finish}]})
            usage = {"prompt_tokens": 100, "completion_tokens": len(say.pieces)}
            await self._event(response, {"choices": [], "usage": usage})
            await response.write(b"data: [DONE]\n\n")
        return response

    @staticmethod
    async def _event(response: web.StreamResponse, event: object) -> None:
        await response.write(f"data: {json.dumps(event)}\n\n".encode())

    async def list(self, request: web.Request) -> web.Response:
        return web.json_response({"data": self.models})


@contextmanager
def serving(script: Script, **settings: Any) -> Iterator[ChatServer]:
    """The server, until the block ends. Its URL ends in /v1."""
    server = ChatServer(script, **settings)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="chat-server", daemon=True)
    thread.start()

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=1 << 28)
        app.router.add_post("/v1/chat/completions", server.complete)
        app.router.add_get("/v1/models", server.list)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    runner = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def words(text: str) -> list[str | float | None]:
    """A text in chunks, as a server sends it."""
    return [text[start : start + 4] for start in range(0, len(text), 4)]
