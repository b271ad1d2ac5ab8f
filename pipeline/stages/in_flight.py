"""What is with the replica of an actor: units whose pages are being read, documents that are being understood.

Plain state, changed by the loops of ``read.py`` and ``understand.py`` alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from folioscope.model.protocol import AssetTasks, Reading
from folioscope.pipeline.decode.pages import DecodedSegment, own_reading
from folioscope.pipeline.failures import Failure
from folioscope.pipeline.planning.documents import DocumentTasks
from folioscope.pipeline.planning.units import UnitToRead
from folioscope.pipeline.stages.document_prefetch import PreparedDocument
from folioscope.pipeline.stages.prefetch import Prepared
from folioscope.pipeline.stages.turns import Block


@dataclass(slots=True)
class InFlightUnit:
    """A unit whose pages are with the replica; ``readings`` grows to the length of ``decoded``.

    Pages that were read where they were decoded get their place in it unasked.
    """

    block: Block[UnitToRead]
    prepared: Prepared
    decoded: list[DecodedSegment]
    readings: list[Reading | Failure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._take_own()

    @property
    def for_replica(self) -> list[DecodedSegment]:
        return [page for page in self.decoded if own_reading(page) is None]

    @property
    def next_page(self) -> DecodedSegment:
        """The page whose reading the replica owes first."""
        return self.decoded[len(self.readings)]

    def take(self, found: Reading | Failure) -> None:
        self.readings.append(found)
        self._take_own()

    def _take_own(self) -> None:
        for page in self.decoded[len(self.readings) :]:
            own = own_reading(page)
            if own is None:
                return
            self.readings.append(own)


@dataclass(slots=True)
class InFlightDocument:
    """A document that the replica has taken."""

    block: Block[DocumentTasks]
    prepared: PreparedDocument
    asked: AssetTasks

    @property
    def tasks(self) -> int:
        return self.prepared.document.tasks
