"""The markers between which Thinking models write their thoughts, as ordinary text."""

from __future__ import annotations

from typing import Final

OPENING: Final = "◁think▷"  # Kimi-VL's
CLOSING: Final = "◁/think▷"
MARKS: Final = ((OPENING, CLOSING), ("<think>", "</think>"), ("<thinking>", "</thinking>"))
