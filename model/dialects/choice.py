"""Which dialect a model speaks: the one asked for, else the one its name points to."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Final

from folioscope.model.choice import ChoiceError, ModelChoice
from folioscope.model.dialects.base import Dialect
from folioscope.schemas.extras import require

# Where each lies; loaded when it is chosen, since some need packages of their own.
DIALECTS: Final = {
    "kimi-vl": "kimi_vl.KimiVlDialect",
    "markdown": "markdown.MarkdownDialect",
    "olmocr": "olmocr.OlmOcrDialect",
    "dots-ocr": "dots_ocr.DotsOcrDialect",
    "chandra": "chandra.ChandraDialect",
    "deepseek-ocr": "deepseek_ocr.DeepSeekOcrDialect",
    "paddleocr-vl": "paddleocr_vl.PaddleOcrVlDialect",
    "mineru": "mineru.MinerUDialect",
}
_BY_NAME = (
    (re.compile(r"kimi[-_.]?vl"), "kimi-vl"),
    (re.compile(r"olm[-_]?ocr"), "olmocr"),
    (re.compile(r"dots[-_.]?m?ocr"), "dots-ocr"),
    (re.compile(r"chandra"), "chandra"),
    (re.compile(r"deepseek[-_]?ocr"), "deepseek-ocr"),
    (re.compile(r"paddle[-_]?ocr[-_]?vl"), "paddleocr-vl"),
    (re.compile(r"mineru"), "mineru"),
)


class UnknownDialectError(ChoiceError):
    """No dialect goes by this name."""


def dialect_of(choice: ModelChoice, default: str | None = None) -> Dialect:
    """The dialect that was chosen; else ``default``; else by the model's name, and Markdown for all others.

    Raises :class:`UnknownDialectError`, which says what there is.
    """
    name = choice.dialect or default or by_name(choice.name)
    if name not in DIALECTS:
        raise UnknownDialectError(f"--dialect {name}: there is no such dialect; choose one of {', '.join(DIALECTS)}")
    return load_dialect(name)


def by_name(model: str) -> str:
    last = model.rpartition("#")[2].casefold()
    return next((dialect for pattern, dialect in _BY_NAME if pattern.search(last)), "markdown")


def load_dialect(name: str) -> Dialect:
    """One of :data:`DIALECTS`."""
    if name == "chandra":
        require("served", "--dialect chandra")
    module, _, kind = DIALECTS[name].partition(".")
    found = getattr(import_module(f"{__package__}.{module}"), kind)()
    assert isinstance(found, Dialect)
    return found
