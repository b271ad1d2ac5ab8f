"""Versions of what makes the results, for the runs table and the benchmarks."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata

VERSIONED = (
    "folioscope",
    "ray",
    "pyarrow",
    "pymupdf",
    "rapidocr",
    "onnxruntime",
    "torch",
    "transformers",
    "pillow",
    "av",
    "decord2",
)


def versions() -> Mapping[str, str]:
    """Versions of Python and of the packages that make the results; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
