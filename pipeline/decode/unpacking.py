"""Taking an attachment out of the file around it, from the parent's side: the decode child unpacks, and sends pieces.

Costs the attachment's bytes twice in the child's memory and once through its pipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from folioscope.pipeline.decode.child import TRIES_IF_KILLED, ChildDiedError
from folioscope.pipeline.decode.children import DecodeChildren
from folioscope.pipeline.decode.messages import UnpackEnd, UnpackRequest
from folioscope.pipeline.failures import Failure
from folioscope.pipeline.logs import counted


def unpacked(
    children: DecodeChildren, path: Path, name: str, numbers: Sequence[int], max_bytes: int
) -> Iterator[bytes]:
    """The bytes of an attachment in pieces; ``numbers`` lead to it, each counted from 1.

    Raises:
        Failure: it cannot be unpacked, or to no more than ``max_bytes``; or the child that unpacks it dies.
    """
    request = UnpackRequest(path, name, tuple(numbers), max_bytes)
    for tries in range(1, TRIES_IF_KILLED + 1):
        begun = False
        with children.borrow() as child:
            try:
                for answer in child.ask(request, until=(UnpackEnd, Failure)):
                    if isinstance(answer, Failure):
                        raise answer
                    if isinstance(answer, UnpackEnd):
                        return
                    begun = True
                    yield answer
            except ChildDiedError as death:
                if begun or tries >= death.tries:
                    message = f"{name}: taking it out of the file around it {death.how}, {counted(tries, 'time')}"
                    raise Failure(death.reason, message) from death
