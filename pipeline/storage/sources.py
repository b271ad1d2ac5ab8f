"""Listing: from the inputs of a run to the files under them, on a disk, in a bucket or behind HTTP.

Folders are walked, globs expanded, a ``.txt`` file is a list of further inputs, and an inventory says what a listing
would. A listing streams: one scan of each folder of a disk, a request for a thousand keys of a bucket, none a file. No
secret that stands in a URI comes out of here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from folioscope.pipeline.failures import Failure
from folioscope.pipeline.storage.inputs import Input, Scope, coverage, expand_lists, is_inventory, scope_of
from folioscope.pipeline.storage.local_listing import list_local
from folioscope.pipeline.storage.remote_listing import Work, plan_remote
from folioscope.pipeline.storage.source_file import FailedInput, Listed, SourceFile
from folioscope.pipeline.storage.uris import canonical, folder_prefix, is_local, kind_of_name, redact

__all__ = ["FailedInput", "SourceFile", "coverage", "kind_of_name", "list_sources", "plan_listing", "redact"]

LINES_AT_ONCE = 500  # of a list, whose lines name a file or a folder each


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a listing that may run beside others.

    ``number`` is that of the input on the command line; ``named`` are the paths that are named one by one.
    """

    number: int
    work: Work
    named: frozenset[str]


def plan_listing(inputs: Sequence[str], exclude: Sequence[str] = ()) -> Iterator[Part]:
    """The listing of all inputs in parts, in order. A path comes more than once where inputs overlap."""
    barred = tuple(folder_prefix(canonical(uri)) for uri in exclude)
    for number, given in enumerate(inputs):
        items = expand_lists([given])
        while some := list(islice(items, LINES_AT_ONCE)):
            works = _works(some[0]) if len(some) == 1 else iter([partial(_one_by_one, some)])
            named = frozenset(canonical(item.uri) for item in some if isinstance(item, Input))
            for work in works:
                yield Part(number, partial(_outside, work, barred), named)


def list_sources(inputs: Sequence[str], exclude: Sequence[str] = ()) -> Iterator[Listed]:
    """Every file under the inputs, each path once, an input's files in order of name.

    Hidden files and those under ``exclude`` (our own output) are left out. Remembers the paths where inputs may
    overlap; a run, which may list a hundred million, does not go this way (``listing.py``).
    """
    seen: set[str] = set()
    for part in plan_listing(inputs, exclude):
        for found in part.work():
            if isinstance(found, SourceFile):
                if found.uri in seen:
                    continue
                seen.add(found.uri)
            yield found


def _works(item: Input | FailedInput) -> Iterator[Work]:
    if isinstance(item, FailedInput):
        failed = item
        yield lambda: iter([failed])
        return
    if is_inventory(item.uri):
        from folioscope.pipeline.storage.inventory import read_inventory  # Arrow takes long to load, and few need it

        works: Iterable[Work] = [partial(read_inventory, item)]
    else:
        scope = scope_of(item.uri)
        works = [partial(_on_disk, item, scope)] if is_local(item.uri) else plan_remote(item, scope)
    for work in works:
        yield partial(_placed, work, item.place)


def _one_by_one(items: Sequence[Input | FailedInput]) -> Iterator[Listed]:
    for item in items:
        for work in _works(item):
            yield from work()


def _on_disk(item: Input, scope: Scope) -> Iterator[Listed]:
    try:
        yield from list_local(scope)
    except Failure as failure:
        yield FailedInput(item.told, failure)


def _placed(work: Work, place: str) -> Iterator[Listed]:
    for found in work():
        yield found.said_in(place) if isinstance(found, FailedInput) else found


def _outside(work: Work, barred: tuple[str, ...]) -> Iterator[Listed]:
    for found in work():
        if not found.uri.startswith(barred):
            yield found
