"""The base of every error that a user can cause, and the codes that a command ends with.

It stands in the lowest room so that every room can build on it. The whole tree is drawn in ``pipeline/errors.py``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a command ends with. 1 is the only code after which the same command may do better by itself."""

    OK = 0
    BROKEN = 1
    BAD_ARGUMENTS = 2
    TOO_MANY_FAILURES = 3
    ACCOUNTING_UNBALANCED = 4
    BUDGET_SPENT = 5
    INTERRUPTED = 130  # by Ctrl-C, as shells have it
    TOO_MANY_SUSPECT = 6
    TOO_MANY_DELETED = 7
    MODEL_CANNOT_READ = 8


class FolioscopeError(Exception):
    """Something that a user can cause and mend. The message says what happened, to what, and what to do.

    ``exit_code`` is what a command ends with; ``hint`` is advice that holds for every error of the class.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.BROKEN
    hint: ClassVar[str | None] = None
