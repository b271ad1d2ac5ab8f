"""A proxy between an S3 client and an S3 server that does what networks and providers do on a bad day."""

from __future__ import annotations

import http.client
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["refuse", "drop", "cut", "stall", "page"]


@dataclass
class Fault:
    """What happens to the next ``times`` requests whose "METHOD /path?query" matches ``where``.

    refuse: the answer is ``status`` with S3's error ``code``. drop: the connection closes without an answer. cut: the
    body ends in the middle. stall: the answer comes ``seconds`` late. page: a listing gives ``size`` keys a page.
    """

    where: str
    kind: Kind
    times: int = 1_000_000
    status: int = 503
    code: str = "SlowDown"
    seconds: float = 0.0
    size: int = 100


@dataclass
class Script:
    """The faults to come, and the requests seen so far (with their Range)."""

    faults: list[Fault] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, request: str, range_: str | None) -> list[Fault]:
        """What happens to this request: paging, if any, and one other fault."""
        with self.lock:
            self.requests.append(f"{request} {range_}" if range_ else request)
            pages = [fault for fault in self.faults if fault.kind == "page" and re.search(fault.where, request)]
            for fault in self.faults:
                if fault.kind != "page" and fault.times and re.search(fault.where, request):
                    fault.times -= 1
                    return [*pages, fault]
            return pages

    def seen(self, pattern: str) -> list[str]:
        with self.lock:
            return [request for request in self.requests if re.search(pattern, request)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path
        cut = False
        for fault in self.server.script.next(f"{self.command} {path}", self.headers.get("Range")):
            if fault.kind == "page":
                path = f"{re.sub('&?max-keys=[0-9]+', '', path)}&max-keys={fault.size}"
            elif fault.kind == "refuse":
                self._answer(
                    fault.status, [], f"<Error><Code>{fault.code}</Code><Message>no</Message></Error>".encode()
                )
                return
            elif fault.kind == "drop":
                self.close_connection = True
                return
            elif fault.kind == "stall":
                time.sleep(fault.seconds)
            else:
                cut = True
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=600)
        headers = {key: value for key, value in self.headers.items() if key.lower() != "expect"}
        upstream.request(self.command, path, body, headers)
        answer = upstream.getresponse()
        content = answer.read()
        self._answer(answer.status, answer.getheaders(), content, cut=cut)
        upstream.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _any  # noqa: N815

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, cut: bool = False) -> None:
        self.send_response_only(status)
        length = str(len(body))
        for key, value in headers:
            if key.lower() == "content-length":
                length = value  # a HEAD tells the length of what it does not send
            elif key.lower() not in ("transfer-encoding", "connection"):
                self.send_header(key, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the script keeps the requests."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.script = script

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


@contextmanager
def proxy(upstream: str) -> Iterator[tuple[str, Script]]:
    """(URL, script) of a proxy in front of ``upstream``."""
    script = Script()
    server = _Server(upstream, script)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", script
    finally:
        server.shutdown()
        server.server_close()
