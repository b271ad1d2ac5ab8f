"""Folioscope: read archives of documents and videos into Parquet that any engine can query.

    import folioscope

    document = folioscope.read("report.pdf")            # .markdown, .pages[0].blocks, .failures
    with folioscope.open("s3://tables") as archive:     # .pages(), .answers(), .search("salmon")
        table = archive.pages()
    folioscope.run(inputs=("s3://archive",), output="s3://tables")

Importing costs no more than this file: what a name needs is loaded when it is first used. In a checkout the parts of
the package (``pipeline``, ``model``, ``jobs``, ``schemas``) lie beside this folder; in an installed package inside it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from folioscope._library import open_archive as open
    from folioscope._library import read, run
    from folioscope.pipeline.one_file import Document, FileReader
    from folioscope.pipeline.readers.archive import Archive
    from folioscope.schemas.errors import FolioscopeError

__version__ = "0.2.0"
__all__ = ["Archive", "Document", "FileReader", "FolioscopeError", "__version__", "open", "read", "run"]

_CHECKOUT = Path(__file__).resolve().parents[1]
if (_CHECKOUT / "pyproject.toml").is_file() and (_CHECKOUT / "pipeline").is_dir():
    __path__.append(str(_CHECKOUT))

_PLACES = {
    "Archive": ("folioscope.pipeline.readers.archive", "Archive"),
    "Document": ("folioscope.pipeline.one_file", "Document"),
    "FileReader": ("folioscope.pipeline.one_file", "FileReader"),
    "FolioscopeError": ("folioscope.schemas.errors", "FolioscopeError"),
    "open": ("folioscope._library", "open_archive"),
    "read": ("folioscope._library", "read"),
    "run": ("folioscope._library", "run"),
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module 'folioscope' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
