"""How much of a model server's capacity the engine for servers uses, and what it costs itself.

    python -m benchmarks.endpoint [--quick]

The server is one of this machine, in a process of its own, with a known number of places: each request holds one for a
known time, and those beyond wait (as vLLM queues them) or are refused (429). The engine is told nothing of that: it
finds out how many requests to send at once. ``share_of_capacity`` is the requests answered a second, once it has found
out, over those that the places could answer at most; the lower of the two kinds of server. Requests carry a page's
picture of 300 KB.

``overhead_ms_p99`` is what a request takes beyond the server's own time: from its hand-over to the engine until its
answer is in the caller's hands, less the time from the server's having read it to the last byte it wrote, as the server
measures that. One request at a time, since on this machine the two compete for the processors; on one that others use
as well it says more of them, and ``overhead_cpu_ms``, the CPU time of this process a request, is the figure to look at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
from aiohttp import web

from folioscope.model.engine.interface import EncodedImage, Request, Sampling, Turn
from folioscope.model.engine.openai_engine import OpenAiEngine
from folioscope.model.engine.openai_servers import Server
from folioscope.pipeline.versions import versions

PICTURE = EncodedImage(f"data:image/jpeg;base64,{'A' * 400_000}")
CHUNKS = 8  # pieces that an answer comes in


@dataclass(frozen=True, slots=True)
class Places:
    """A server's capacity. ``queues``: those beyond wait; else they are refused."""

    count: int
    seconds: float
    queues: bool

    @property
    def per_second(self) -> float:
        return self.count / self.seconds


def serve(places: Places, port: Connection) -> None:
    """The server's process. Tells its port; each answer ends with the seconds that the server itself took."""
    taken = asyncio.Semaphore(places.count)

    async def complete(request: web.Request) -> web.StreamResponse:
        await request.read()
        begun = time.perf_counter()
        if not places.queues and taken.locked():
            return web.Response(status=429, text="no place is free")
        async with taken:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for _ in range(CHUNKS):
                await asyncio.sleep(places.seconds / CHUNKS)
                await response.write(b'data: {"choices": [{"delta": {"content": "words "}}]}\n\n')
            took = time.perf_counter() - begun
            choice = {"delta": {"content": str(took)}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1000, "completion_tokens": CHUNKS}
            last = json.dumps({"choices": [choice], "usage": usage})
            await response.write(f"data: {last}\n\ndata: [DONE]\n\n".encode())
        return response

    async def run() -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_post("/v1/chat/completions", complete)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


@contextmanager
def serving(places: Places) -> Iterator[OpenAiEngine]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(places, there), daemon=True)
    process.start()
    try:
        yield OpenAiEngine([Server(f"http://127.0.0.1:{here.recv()}/v1", "tiny")])
    finally:
        process.terminate()
        process.join()


def request(number: int) -> Request:
    return Request(f"r{number}", (), Sampling(100), frozenset(), turns=(Turn("user", (PICTURE, "Read.")),))


def share_of(places: Places, warm_up: float, seconds: float) -> float:
    """Answers a second over the server's capacity, after a warm-up, with always enough to do."""
    with serving(places) as engine:
        number = answered = 0
        begun = time.perf_counter()
        since: float | None = None
        while (now := time.perf_counter()) < begun + warm_up + seconds:
            if since is None and now >= begun + warm_up:
                since, answered = now, 0
            while engine.unfinished < 1.5 * engine.most_sequences + 1:
                engine.submit(request(number))
                number += 1
            answered += len(engine.step())
        assert since is not None
        share = answered / (time.perf_counter() - since) / places.per_second
        print(f"{places}: {share:.1%} of capacity, at most {engine.most_sequences} at once")
        engine.clear()
        return share


def overheads(count: int) -> list[float]:
    """Milliseconds that single requests take beyond the server's own time."""
    found = []
    with serving(Places(1, 0.02, queues=True)) as engine:
        for number in range(count):
            begun = time.perf_counter()
            engine.submit(request(number))
            while not (done := engine.step()):
                pass
            took = time.perf_counter() - begun
            text = done[0].text or ""
            found.append(1000 * (took - float(text.rpartition(" ")[2])))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a third of the time, for a first look")
    factor = 0.33 if parser.parse_args().quick else 1.0
    print(__doc__, versions(), sep="\n")
    shares = {
        kind: share_of(Places(24, 2.0, queues=kind == "queues"), 40 * factor, 40 * factor)
        for kind in ("queues", "refuses")
    }
    count, before = round(600 * factor), time.process_time()
    taken = overheads(count)
    cpu_ms = 1000 * (time.process_time() - before) / count
    print(f"overhead of a request: median {np.median(taken):.2f} ms, p99 {np.percentile(taken, 99):.2f} ms")
    print(
        json.dumps(
            {
                "share_of_capacity": round(min(shares.values()), 4),
                **{f"share_{kind}": round(share, 4) for kind, share in shares.items()},
                "overhead_cpu_ms": round(cpu_ms, 2),
                "overhead_ms_p50": round(float(np.median(taken)), 2),
                "overhead_ms_p99": round(float(np.percentile(taken, 99)), 2),
            }
        )
    )


if __name__ == "__main__":
    main()
