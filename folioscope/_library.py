"""The library behind ``import folioscope``: read a file, open an archive, run a job. Imported at the first call.

What only one of them needs (Ray and Arrow for a run, DuckDB for an archive) is imported when that one is called.
"""

from __future__ import annotations

from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from folioscope.pipeline.config import parse_config
from folioscope.pipeline.one_file import Document, FileReader
from folioscope.pipeline.settings.files import NO_OUTPUT

if TYPE_CHECKING:
    from folioscope.pipeline.readers.archive import Archive
    from folioscope.pipeline.run import Outcome


def read(file: str | PathLike[str], **settings: Any) -> Document:
    """Read one file, at a path or a URI, in this process and without Ray.

    ``settings`` are those of ``folioscope read``, with underscores: ``model``, ``layout``, ``dpi`` … Costs the start of
    a decode child and of the model; to read many files, use one :class:`FileReader`.

    Raises:
        FileNotReadError: the file cannot be opened at all. Pages that fail are in ``Document.failures``.
        ConfigError: a setting is wrong.
    """
    uri = fspath(file)
    with FileReader(parse_config(inputs=(uri,), output=NO_OUTPUT, **settings)) as reader:
        return reader.read(uri)


def open_archive(output: str | PathLike[str]) -> Archive:
    """Open the tables that runs wrote, in a folder or a bucket.

    Raises:
        ConfigError: nothing has been published there.
    """
    from folioscope.pipeline.readers.archive import Archive

    return Archive(fspath(output))


def run(**settings: Any) -> Outcome:
    """Run a job from a program: what ``folioscope read INPUT --output OUT`` does, with the same settings.

    ``inputs`` and ``output`` are required. Joins the Ray that the program is connected to, else starts one for the run.
    Nothing is printed; the logger ``folioscope`` tells what happens.

    Raises:
        FolioscopeError: with what to do about it.
    """
    from folioscope.model.load import describe_replica
    from folioscope.pipeline.run import Run

    config = parse_config(**settings)
    return Run(config, describe_replica(config.choice)).execute()
