"""The errors of Folioscope, in one tree. A command prints the message and the hint, and ends with the exit code.

    FolioscopeError                      schemas/errors.py          1
      ConfigError                        here                       2   an option, a settings file, a questions file
      MissingExtraError                  schemas/extras.py          2   a package of an extra is not installed
      UnknownModelError                  model/load.py              2   no such model, or not a Kimi-VL checkpoint
      SpeechModelError                   model/speech/choice.py    2   no such speech model, or not one
      ModelLoadError                     model/load.py              1   a replica could not be loaded
      SchemaError                        schemas/checks.py          1   a table is not what its schema says
      ManifestError                      tables/manifest.py         1   the output is damaged, or of another version
      OutputError                        storage/store.py           1   the output cannot be read or written
      OutputBusyError                    storage/lease.py           1   another run is writing the output
      LeaseLostError                     storage/lease.py           1   another run took the output over
      SessionError                       ray_session.py             1   Ray cannot be reached, or has no room
      TooManyDeletedError                planning/deletions.py      7   a listing lost more known files than may go
      ReportError                        report/archive.py          1   a report cannot be written
      CompareError                       readers/compare.py         1   there are no two runs to compare
      SearchError                        readers/search.py          2   a query or an index that cannot be used

What goes wrong with one file, page or question is no error but a row of the failures table: ``failures.Failure``.
"""

from __future__ import annotations

from typing import ClassVar

from folioscope.schemas.errors import ExitCode, FolioscopeError

__all__ = ["ConfigError", "ExitCode", "FolioscopeError"]


class ConfigError(FolioscopeError, ValueError):
    """The command cannot start as asked; the message says which setting is wrong and what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.BAD_ARGUMENTS
