"""What an evaluation is made of: items with what is shown and asked, the marks a prediction earns, and a benchmark.

An item holds paths, never pictures: whoever asks a replica loads them. Frozen and made of plain values, so that items
travel as rows of Arrow tables (``pipeline/evaluation/item_rows.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from folioscope.schemas.errors import ExitCode, FolioscopeError

Mode = Literal["ask", "read"]
Sampling = Literal["spread", "start", "middle", "all"]


class BenchmarkDataError(FolioscopeError, ValueError):
    """A benchmark's folder does not hold what its published layout has; the message says what is missing."""

    exit_code: ClassVar[ExitCode] = ExitCode.BAD_ARGUMENTS


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A picture in a file of its own."""

    path: str


@dataclass(frozen=True, slots=True)
class ImageCell:
    """A picture in a cell of a table: of a Parquet file (bytes) or of a TSV file (Base64).

    ``place`` is the row's number in Parquet, the byte at which the record begins in TSV; ``index`` counts in a cell
    that holds a list.
    """

    path: str
    place: int
    column: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages of a document, from 1, each as a picture; ``last`` 0 is its end. ``most`` keeps the first so many.

    With an ``etag`` the file may lie in a bucket, and must still be the one that was listed with it.
    """

    path: str
    first: int = 1
    last: int = 0
    most: int = 0
    dpi: int = 144
    etag: str = ""
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of a video, and where ``subtitles`` are given their lines: between the frames, or before them.

    ``spread`` takes ``count`` frames from the first to the last, ``start`` those that begin so many equal parts,
    ``middle`` their middles. ``subtitle_start_s`` is subtracted from the times of the lines.
    """

    path: str
    count: int
    sampling: Sampling = "spread"
    duration_s: float | None = None
    subtitles: str | None = None
    interleaved: bool = False
    subtitle_start_s: float = 0.0


Part = Text | ImageFile | ImageCell | Pages | Frames


@dataclass(frozen=True, slots=True)
class Item:
    """One question, or one page or document to read.

    ``parts`` make the official prompt; ``question`` is the bare question, for replicas that take no prompts.
    ``golds`` are the right answers in the benchmark's own form, ``options`` those of a choice. ``group`` is what scores
    are also told by, ``cluster`` what belongs together (a video, a document): resampling draws clusters.
    """

    item_id: str
    parts: tuple[Part, ...]
    golds: tuple[str, ...]
    mode: Mode = "ask"
    question: str = ""
    options: tuple[str, ...] = ()
    kind: str = ""
    group: str = ""
    cluster: str = ""
    max_new_tokens: int = 1024

    @property
    def key(self) -> str:
        """Names all that decides what a replica is shown: a prediction holds for it and for nothing else."""
        shown = [[type(part).__name__, asdict(part)] for part in self.parts]
        told = json.dumps([self.item_id, self.mode, shown, self.question, self.max_new_tokens], sort_keys=True)
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure that a prediction earns: of which measure, with what weight in its mean, and why."""

    metric: str
    score: float
    weight: float = 1.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Judging:
    """What a judge model is asked about an item, and how its reply is read; None from ``read`` is an unusable reply."""

    prompt: str
    max_new_tokens: int = 128


Values = Mapping[str, float]  # the mean of each measure that some item has


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark. ``measures`` are told beside the score, and how each is averaged over items.

    ``items`` reads a folder in its published layout. ``mark`` scores a prediction by rule; with ``judging`` it gets the
    judge's reply, too, where there is one: ``rule_without_judge`` says what stands in for it otherwise. ``total`` makes
    the score, in the unit of the published table, from the measures' means.
    """

    name: str
    title: str
    layout: str
    items: Callable[[Path], Iterable[Item]]
    mark: Callable[[Item, str, str | None], Sequence[Mark]]
    total: Callable[[Values], float]
    means: Mapping[str, str] = field(
        default_factory=dict
    )  # measure: how its mean is taken, see scoring.py; over items where nothing is said
    judging: Callable[[Item, str], Judging | None] | None = None
    rule_without_judge: str = ""
    unit: str = "%"
    note: str = ""


def percent_of(metric: str = "accuracy", scale: float = 100.0) -> Callable[[Values], float]:
    """The mean of one measure, in percent."""
    return lambda values: scale * values.get(metric, 0.0)


def right_or_wrong(is_right: bool, reason: str = "") -> list[Mark]:
    return [Mark("accuracy", float(is_right), reason=reason)]


def needed(folder: Path, name: str, benchmark: str) -> Path:
    """A file or folder of the published layout.

    Raises:
        BenchmarkDataError: it is not there.
    """
    path = folder / name
    if not path.exists():
        raise BenchmarkDataError(
            f"{benchmark}: {path} is not there. docs/evaluation.md says what to obtain and how it must lie."
        )
    return path


def first_of(folder: Path, names: Iterable[str], benchmark: str) -> Path:
    """The first of some files that is there. Raises :class:`BenchmarkDataError`."""
    named = list(names)
    for name in named:
        if (folder / name).exists():
            return folder / name
    raise BenchmarkDataError(
        f"{benchmark}: {folder} holds none of {', '.join(named)}. docs/evaluation.md says what to obtain."
    )


def numbered(entries: Iterable[Item]) -> Iterator[Item]:
    """The items, checked for ids that occur twice.

    Raises:
        BenchmarkDataError: two items have one id.
    """
    seen: set[str] = set()
    for item in entries:
        if item.item_id in seen:
            raise BenchmarkDataError(f"item {item.item_id} is there twice")
        seen.add(item.item_id)
        yield item
