"""Processes that can be told apart from any other that ever had their number, and from those of other machines."""

from __future__ import annotations

import os
import socket
import uuid
from functools import cache
from pathlib import Path

import psutil

LINUX = Path("/proc/self/stat").exists()


@cache
def machine() -> str:
    """This machine since it was started, and the namespace that process ids are counted in (containers have their own).

    Where the system does not tell, a name that no other process has: then no process is known to be dead.
    """
    if not LINUX:
        return f"{socket.gethostname()}/{psutil.boot_time():.0f}"
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"unknown/{uuid.uuid4().hex}"


def birth(pid: int) -> str | None:
    """When the process began, counted from the machine's start: no change of the clock moves it. None for the dead."""
    try:
        if not LINUX:
            return str(psutil.Process(pid).create_time())
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
        return None
    return None if fields[0] in "ZX" else fields[19]
