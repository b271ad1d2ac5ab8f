"""How far a reading agrees with the page's own text layer: free truth, wherever the layer can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz import fuzz

from folioscope.model.protocol import Block


def agreement(text: str, blocks: Sequence[Block]) -> float | None:
    """0..1 likeness of a text and a layer's blocks, word order aside; None where the layer holds no words."""
    layer = " ".join(block.text for block in blocks)
    return fuzz.token_sort_ratio(text, layer) / 100 if layer.strip() else None
