"""What the tests make a decode child do. A child imports this module by name."""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import time
from pathlib import Path


def loaded_modules(_: object) -> list[str]:
    return sorted(sys.modules)


def bloat(size: int) -> int:
    return len(bytearray(size))


def crash(_: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def network_namespace(_: object) -> str:
    return os.readlink("/proc/self/ns/net")


def interfaces_that_are_up(_: object) -> list[str]:
    names = [name for _, name in socket.if_nameindex()]
    return [name for name in names if "up" in Path(f"/sys/class/net/{name}/operstate").read_text()]


def connect(address: tuple[str, int]) -> str:
    try:
        socket.create_connection(address, timeout=5).close()
    except OSError as error:
        return f"{type(error).__name__}: {error.strerror}"
    return "connected"


def limits(_: object) -> dict[str, int]:
    kinds = {"core": resource.RLIMIT_CORE, "file": resource.RLIMIT_FSIZE, "descriptors": resource.RLIMIT_NOFILE}
    return {name: resource.getrlimit(kind)[0] for name, kind in kinds.items()}


def write_at(request: tuple[Path, int]) -> str:
    """Write a byte at an offset of a file that is otherwise a hole."""
    path, offset = request
    try:
        with path.open("wb") as stream:
            stream.seek(offset)
            stream.write(b"x")
    except OSError as error:
        return str(error.strerror)
    return "written"
