"""Any nights an archive may live through, with files under any names: each night exactly what is missing is done.

A model of the archive says what every run must find and do; files are given a night's edits (new, changed, renamed,
copied, deleted, broken, brought back), runs are killed in the middle. Decoding is replaced by a look at the file's few
bytes, so that a night takes a fifth of a second; planning, commits, publishing and the accounting are the real ones.
``FOLIOSCOPE_FUZZ=20000`` tries a thousand archives (``make fuzz``).
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from runs import ask, prepare

from folioscope.model.protocol import Block, TextLayer
from folioscope.pipeline.decode.pages import DecodedPage, Probe
from folioscope.pipeline.failures import Failure, Reason
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.storage.store import OutputStore
from folioscope.pipeline.tables.accounting import Counts
from folioscope.pipeline.tables.audit import audit
from folioscope.pipeline.tables.manifest import load_manifest
from folioscope.schemas.tables import TABLES

EXAMPLES = int(os.environ.get("FOLIOSCOPE_FUZZ", "160")) // 20
LONG = "FOLIOSCOPE_FUZZ" in os.environ
PHASES = list(Phase) if LONG else [Phase.generate]  # making a failing example smaller takes minutes
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0")
    | st.sampled_from("%#?*[]{}'\";:&\\ \n\t\u202e."),
    min_size=1,
    max_size=24,
).filter(lambda name: len(name.encode()) < 180 and not name.startswith("."))
EDITS = st.tuples(
    st.sampled_from(["add", "change", "rename", "copy", "delete", "break", "bring back"]),
    NAMES,
    st.integers(0, 99),
    st.integers(1, 5),
)
NIGHTS = st.lists(
    st.tuples(st.lists(EDITS, max_size=5), st.sampled_from(["a", "b"]), st.none() | st.integers(0, 6)),
    min_size=1,
    max_size=5,
)


class Killed(BaseException):
    """Stands for the end of the driver's process."""


class Bytes:
    """Decode children that look at the bytes themselves: a number of pages, or that the file is broken."""

    decoded: ClassVar[Counter[tuple[bytes, int]]] = Counter()
    until_killed: ClassVar[int | None] = None

    def __init__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def probe(self, path: Path, name: str) -> Probe:
        content = path.read_bytes()
        if content.startswith(b"broken"):
            raise Failure(Reason.DAMAGED_FILE, f"{name}: it is broken")
        return Probe("pdf", int(content.split()[0]))

    def decode(self, path: Path, _kind: str, first: int, last: int, *_: object) -> list[DecodedPage]:
        content = path.read_bytes()
        if Bytes.until_killed is not None:
            Bytes.until_killed -= 1
            if Bytes.until_killed < 0:
                raise Killed
        pages = range(first, last + 1)
        Bytes.decoded.update((content, page) for page in pages)
        return [DecodedPage(page, 100, 100, 0, None, layer(f"{content!r} {page}")) for page in pages]


def layer(text: str) -> TextLayer:
    return TextLayer("usable", "it says so", (Block("text", text),), "en", False)


@dataclass
class Archive:
    """What is in the folder, what ever was, and what has been read and answered."""

    folder: Path
    files: dict[str, bytes] = field(default_factory=dict)
    gone: dict[str, bytes] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    read: set[bytes] = field(default_factory=set)
    answered: set[tuple[bytes, str]] = field(default_factory=set)
    made: int = 0

    def edit(self, what: str, name: str, chosen: int, pages: int) -> None:
        old = sorted(self.files)[chosen % len(self.files)] if self.files else None
        if what == "add":
            self._write(f"{name}.pdf", self._content(pages))
        elif what == "bring back" and self.gone:
            brought = sorted(self.gone)[chosen % len(self.gone)]
            self._write(brought, self.gone[brought])
        elif old is None:
            return
        elif what == "change":
            self._write(old, self._content(pages))
        elif what == "break":
            self._write(old, b"broken " + self._content(pages))
        elif what == "copy":
            self._write(f"{name}.pdf", self.files[old])
        elif what == "rename":
            self._write(f"{name}.pdf", self.files[old])
            if old != f"{name}.pdf":
                self._delete(old)
        elif what == "delete":
            self._delete(old)

    def readable(self) -> set[bytes]:
        return {content for content in self.files.values() if not content.startswith(b"broken")}

    def _content(self, pages: int) -> bytes:
        self.made += 1
        return b"%d pages, number %d" % (pages, self.made)

    def _write(self, name: str, content: bytes) -> None:
        (self.folder / name).write_bytes(content)
        self.files[name] = content
        self.gone.pop(name, None)

    def _delete(self, name: str) -> None:
        (self.folder / name).unlink()
        self.gone[name] = self.files.pop(name)


def pages_of(contents: set[bytes]) -> int:
    return sum(int(content.split()[0]) for content in contents)


@pytest.fixture
def bytes_decoded(inline_actors: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folioscope.pipeline.stages.identify.DecodeChildren", Bytes)
    monkeypatch.setattr("folioscope.pipeline.stages.prefetch.DecodeChildren", Bytes)


@pytest.mark.guarantee(
    fault="driver killed",
    moment="read",
    outcome="any nights of edits and kills: a page that was committed is not read again",
)
@pytest.mark.usefixtures("bytes_decoded")
@pytest.mark.timeout(24 * 3600 if LONG else 900)
@settings(max_examples=EXAMPLES, phases=PHASES, derandomize=not LONG, suppress_health_check=list(HealthCheck))
@given(NIGHTS, st.sampled_from([1, 3, 100_000]))
def test_each_night_does_what_is_missing_and_no_more(nights: list[Any], increment_files: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        archive = Archive(Path(scratch) / "in")
        archive.folder.mkdir()
        output = Path(scratch) / "out"
        for edits, question, killed_after in nights:
            for edit in edits:
                archive.edit(*edit)
            spend_a_night(archive, output, question, killed_after, increment_files)


def spend_a_night(
    archive: Archive, output: Path, question: str, killed_after: int | None, increment_files: int
) -> None:
    asked = (QuestionSpec(id="q", question=f"What is {question}?"),)
    options: dict[str, Any] = {"questions": asked, "tasks": ("read", "answer"), "increment_files": increment_files}
    Bytes.decoded.clear()
    Bytes.until_killed = killed_after
    whole = True
    try:
        outcome = prepare(archive.folder, output, **options).execute()
    except Killed:
        whole = False
        Bytes.until_killed = None
        outcome = prepare(archive.folder, output, **options).execute()
    readable = archive.readable()
    fresh = readable - archive.read
    wanted = {(content, page) for content in fresh for page in range(1, int(content.split()[0]) + 1)}
    assert set(Bytes.decoded) == wanted
    assert max(Bytes.decoded.values(), default=1) <= (1 if whole else 2), "a page that was committed is not read again"
    accounting = outcome.accounting
    assert accounting.balanced
    if whole:
        reused = pages_of(readable - fresh)
        assert accounting.segments == Counts(pages_of(readable), pages_of(fresh), reused, 0, 0)
        anew = {(content, question) for content in readable} - archive.answered
        assert accounting.answers == Counts(len(readable), len(anew), len(readable) - len(anew), 0, 0)
    archive.read |= readable
    archive.answered |= {(content, question) for content in readable}
    archive.seen |= set(archive.files)
    tell_of_it(archive, output, question)
    assert audit(OutputStore(str(output))).sound


def tell_of_it(archive: Archive, output: Path, question: str) -> None:
    """The tables say what the archive is like."""
    folder = f"{archive.folder}/"
    statuses = {uri.removeprefix(folder): status for uri, status in ask(output, "SELECT uri, status FROM assets")}
    assert statuses == {
        name: "deleted"
        if name not in archive.files
        else "failed"
        if archive.files[name].startswith(b"broken")
        else "done"
        for name in archive.seen
    }
    shown = Counter(
        (archive.files[uri.removeprefix(folder)], page)
        for uri, page in ask(output, "SELECT uri, page_number FROM pages")
    )
    assert shown == {
        (content, page): 1 for content in archive.readable() for page in range(1, int(content.split()[0]) + 1)
    }, "each document is shown once, under one of its names"
    tables = load_manifest(OutputStore(str(output))).tables
    listed = {file.path for files in tables.values() for file in files}
    on_disk = {f"{table}/{path.name}" for table in TABLES for path in (output / table).iterdir()}
    assert on_disk == listed, "who globs the folders sees what the manifest names"
    questions = {words for (words,) in ask(output, "SELECT DISTINCT question FROM current_answers")}
    assert questions <= {f"What is {question}?"}
