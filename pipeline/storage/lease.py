"""The lease on an output: one run at a time, and a dead run's place is taken without anyone's help.

Two runs on one output would each publish without the other's rows, and clear away work that the other still counts
on. So a run first takes the next number under ``_lease/``, which the store gives to one only, and shows that it lives
by rewriting that file every ten seconds. Who finds a lease there waits to see it change; where its holder's process
is known to be dead, or nothing changes for a minute of the observer's own monotonic time, the next number is free. No
clock is compared with another's. A run that was asleep while its place was taken finds the higher number before it
publishes, and stops. Costs three requests every ten seconds; in a bucket, a second at the start.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from folioscope.pipeline.storage.processes import birth, machine
from folioscope.pipeline.storage.store import OutputError, OutputStore
from folioscope.schemas.errors import FolioscopeError

FOLDER = "_lease"
BEAT_SECONDS = 10.0
MISSED_BEATS = 6
SETTLE_SECONDS = 1.0
_HELD_HERE: set[str] = set()  # tokens of the leases that this process holds


class OutputBusyError(FolioscopeError, RuntimeError):
    """Another run writes this output; the message says which and what to do."""


class LeaseLostError(FolioscopeError, RuntimeError):
    """This run was taken for dead, and another has the output now. Nothing is lost; nothing more may be written."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease. ``machine`` and ``birth`` make a process id unmistakable; ``beat`` rises while it lives."""

    run_id: str
    host: str
    machine: str
    pid: int
    birth: str
    token: str
    beat: int = 0
    released: bool = False

    @classmethod
    def me(cls, run_id: str) -> Holder:
        pid = os.getpid()
        return cls(run_id, socket.gethostname(), machine(), pid, birth(pid) or "", uuid.uuid4().hex)

    def known_dead(self) -> bool:
        """True where its process was on this machine and is there no more, or is this one and has let go of it.

        Of another machine nothing is known.
        """
        if self.machine != machine():
            return False
        return birth(self.pid) != self.birth or (self.pid == os.getpid() and self.token not in _HELD_HERE)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class Lease:
    """Held for the length of a ``with`` block.

    Raises on entering:
        OutputBusyError: another run holds it and lives.
    """

    def __init__(
        self, store: OutputStore, run_id: str, notify: Callable[[str], None], beat_seconds: float = BEAT_SECONDS
    ) -> None:
        self._store = store
        self._notify = notify
        self._beat_seconds = beat_seconds
        self._me = Holder.me(run_id)
        self._number = 0
        self._lost: str | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        _HELD_HERE.add(self._me.token)
        try:
            self._take()
        except BaseException:
            _HELD_HERE.discard(self._me.token)
            raise
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        _HELD_HERE.discard(self._me.token)
        if self._lost is None:
            with suppress(OutputError):  # a lease not given back ends with its process, or a minute later
                self._write(replace(self._me, released=True))

    def check(self, *, thoroughly: bool = False) -> None:
        """``thoroughly`` asks the store; otherwise what the last beat found is told.

        Raises:
            LeaseLostError: another run has the output.
        """
        if thoroughly:
            self._look()
        if self._lost is not None:
            raise LeaseLostError(
                f"Another run took {self._store.name} over, since this one gave no sign of life for "
                f"{MISSED_BEATS * self._beat_seconds:.0f} s ({self._lost}). What this one committed is kept and will "
                "be used; it publishes nothing itself. Run the same command again when the other has ended."
            )

    # Taking.

    def _take(self) -> None:
        while True:
            number, content = self._newest()
            holder = _parse(content)
            if content is not None and not (holder and (holder.released or holder.known_dead())):
                self._watch(number, content, holder)
            self._number = number + 1
            if self._store.create(self._path(), self._me.to_json()) or self._is_mine():
                if not self._store.is_local:  # where a store knows no conditional writes, the last writer stays
                    time.sleep(SETTLE_SECONDS)
                if self._is_mine() and self._newest()[0] == self._number:
                    break
        older = (f"{FOLDER}/{number:06d}.json" for number in self._numbers() if number < self._number)
        self._store.delete(older)

    def _watch(self, number: int, content: bytes, holder: Holder | None) -> None:
        """Return where the lease stays as it is for MISSED_BEATS, or is given back meanwhile."""
        if holder is not None and holder.machine == machine() and holder.pid != os.getpid():
            raise self._busy(holder)  # its process is there: no need to wait
        who = _named(holder)
        seconds = MISSED_BEATS * self._beat_seconds
        self._notify(f"{self._store.name} is leased to {who}; waiting up to {seconds:.0f} s for a sign of life")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(self._beat_seconds / 4)
            now = self._newest()
            if now != (number, content):
                seen = _parse(now[1])
                if seen is not None and seen.released:
                    return
                raise self._busy(seen or holder)
        self._notify(f"no sign of life from {who}: its place is taken")

    def _busy(self, holder: Holder | None) -> OutputBusyError:
        return OutputBusyError(
            f"{self._store.name} is being written by {_named(holder)}. Two runs on one output would undo each other's "
            "work. Wait until that one has ended, or stop its process, and run again; or choose another --output."
        )

    # Holding.

    def _beat(self) -> None:
        while not self._over.wait(self._beat_seconds):
            self._me = replace(self._me, beat=self._me.beat + 1)
            try:
                self._look()
                if self._lost is not None:
                    return
                self._write(self._me)
            except OutputError:
                continue  # the store is away for us; should another run have taken over, the next look tells

    def _look(self) -> None:
        number, content = self._newest()
        holder = _parse(content)
        if number != self._number or (holder is not None and holder.token != self._me.token):
            self._lost = f"now {_named(holder)}"

    def _newest(self) -> tuple[int, bytes | None]:
        """The highest number and what its file holds; (0, None) where there is none."""
        while numbers := self._numbers():
            try:
                return numbers[-1], self._store.read(f"{FOLDER}/{numbers[-1]:06d}.json")
            except FileNotFoundError:  # cleared between the two requests by who holds a higher one
                continue
        return 0, None

    def _numbers(self) -> list[int]:
        stems = (Path(name).stem for name in self._store.names(FOLDER))
        return sorted(int(stem) for stem in stems if stem.isdigit())

    def _is_mine(self) -> bool:
        try:
            holder = _parse(self._store.read(self._path()))
        except FileNotFoundError:
            return False
        return holder is not None and holder.token == self._me.token

    def _path(self) -> str:
        return f"{FOLDER}/{self._number:06d}.json"

    def _write(self, holder: Holder) -> None:
        self._store.write(self._path(), holder.to_json())


def _parse(content: bytes | None) -> Holder | None:
    """None where the file is half written or not ours: whoever wrote it is then judged by whether it changes."""
    try:
        return Holder(**json.loads(content or b""))
    except (ValueError, TypeError):
        return None


def _named(holder: Holder | None) -> str:
    if holder is None:
        return "another run"
    return f"run {holder.run_id} (host {holder.host}, process {holder.pid})"
