"""A page's reading beside what its reference reader found: a few milliseconds a page, on the way to its row."""

from __future__ import annotations

from folioscope.model.protocol import Reading
from folioscope.pipeline.decode.pages import DecodedSegment, DecodedShot
from folioscope.pipeline.grounding.check import ground


def grounded(page: DecodedSegment, reading: Reading) -> Reading:
    """The reading with boxes and support, where a model read the page and a reference was asked for."""
    if isinstance(page, DecodedShot) or page.reference is None:
        return reading
    return ground(reading, page.reference.turned(reading.turned))


def reference_seconds(page: DecodedSegment) -> float:
    """CPU seconds that the page's reference reader took."""
    return 0.0 if isinstance(page, DecodedShot) or page.reference is None else page.reference.seconds
