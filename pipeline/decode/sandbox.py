"""What a decode child gives up before it sees a file: its network, large files, many descriptors, core dumps.

A decoder that a file has taken over can then reach nobody and fill no disk. Costs a few milliseconds at the start.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

MAX_FILE_BYTES = 1 << 30  # the language model is unpacked into a temporary file of some 100 MB
MAX_DESCRIPTORS = 256
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1


def enter() -> None:
    """Call before any thread is started. Memory is limited later, when the libraries are loaded."""
    libc = ctypes.CDLL(None, use_errno=True)
    _leave_network(libc)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # after the network: a change of credentials would undo it
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    descriptors = min(MAX_DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))


def _leave_network(libc: ctypes.CDLL) -> None:
    """Move into a network namespace of our own, in which there is not even a loopback, where the kernel lets us.

    Root may do so straight away; others through a user namespace of their own, which many systems, and most
    containers, forbid. The child then works on with the network it has: the other limits hold all the same.
    """
    if not hasattr(libc, "unshare"):
        return
    if libc.unshare(_CLONE_NEWNET) != 0 and os.getuid() != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
