"""What a network says of the transitions in a video's spans, which come one after the other.

A span's miniatures are let go once the network has seen them: memory is that of one span. Costs what the network costs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from folioscope.model.transitions import COLUMNS, ROWS, TransitionNetwork
from folioscope.pipeline.video.features import ScannedSpan


def with_transitions(spans: Iterable[ScannedSpan], model: Any) -> list[ScannedSpan]:
    """All spans of a video, in order, with what the network says of their frames in the place of their miniatures."""
    network = TransitionNetwork(model)
    seen = []
    for span in spans:
        features = span.features
        if features.miniature is not None:
            network.feed(features.miniature.reshape(-1, ROWS, COLUMNS, 3))
        seen.append(replace(span, features=replace(features, miniature=None)))
    likely, first = network.finish(), 0
    for place, span in enumerate(seen):
        last = first + len(span.features)
        seen[place] = replace(span, features=replace(span.features, transition=likely[first:last]))
        first = last
    return seen
