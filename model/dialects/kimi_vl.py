"""Kimi-VL: Markdown, as from any model that follows instructions. Thoughts are taken off before it gets here."""

from __future__ import annotations

from folioscope.model.dialects.markdown import MarkdownDialect


class KimiVlDialect(MarkdownDialect):
    name = "kimi-vl"
