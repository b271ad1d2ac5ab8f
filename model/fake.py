"""The fake replica: deterministic and instant, for tests of the pipeline and for timing it without a model.

It reads the text layer's words as they are, so that its rows depend on the page and on nothing else. The environment
variable FOLIOSCOPE_FAKE_SECONDS makes it take that long for each page, as a model would.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence

from model.protocol import (
    Answer,
    DocumentText,
    Evidence,
    KeyPoint,
    PageInput,
    Question,
    Reading,
    ReplicaDescription,
    Summary,
    TextSource,
    Usage,
)

DESCRIPTION = ReplicaDescription(
    name="fake",
    revision="1",
    reads_layer=True,
    settings={"read": {}, "summarize": {}, "answer": {}},
    num_cpus=0.5,
)


class FakeReplica:
    def __init__(self) -> None:
        self._seconds = float(os.environ.get("FOLIOSCOPE_FAKE_SECONDS", "0"))

    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        for page in pages:
            if page is not None:
                time.sleep(self._seconds)
                yield _read(page)

    def summarize(self, document: DocumentText) -> Summary:
        """The first line of the first page that holds one."""
        evidence = _first_line(document)
        if evidence is None:
            return Summary("", "extractive")
        return Summary(
            evidence.quote, "extractive", (KeyPoint(evidence.quote, (evidence,)),), usage=Usage(output_tokens=1)
        )

    def answer(self, document: DocumentText, questions: Sequence[Question]) -> list[Answer]:
        """The first line that holds the question's last word."""
        return [_answer(document, question) for question in questions]


def _read(page: PageInput) -> Reading:
    blocks = page.layer.blocks if page.layer else ()
    text = "\n\n".join(block.text for block in blocks)
    source: TextSource = "text_layer" if text else "none"
    return Reading(text, source, blocks, flags=() if text else ("blank",), usage=Usage(1, len(text.split())))


def _first_line(document: DocumentText) -> Evidence | None:
    for page in document.pages:
        for line in page.text.splitlines():
            if line.strip():
                return Evidence(line, page.page_number)
    return None


def _answer(document: DocumentText, question: Question) -> Answer:
    word = question.text.rstrip("?!. ").rpartition(" ")[2].casefold()
    for page in document.pages:
        for line in page.text.splitlines():
            if word in line.casefold():
                return Answer(question.question_id, line, True, 1.0, (Evidence(line, page.page_number),))
    return Answer(question.question_id, None, False, 1.0)
