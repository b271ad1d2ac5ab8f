"""The embedded replica: the default where there is no GPU. All its weights come inside packages; it never invents.

It reads usable text layers as they are and everything else by OCR, and it summarises and answers with sentences of
the document itself. Costs about a second a page of CPU for OCR, a gigabyte of memory at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from model.embedded import answer as answering
from model.embedded import read as reading
from model.embedded import summarize as summarizing
from model.protocol import Answer, DocumentText, PageInput, Question, Reading, ReplicaDescription, Summary

DESCRIPTION = ReplicaDescription(
    name="embedded",
    revision="1",
    reads_layer=True,
    settings={"read": reading.SETTINGS, "summarize": summarizing.SETTINGS, "answer": answering.SETTINGS},
    num_cpus=0.5,
)


class EmbeddedReplica:
    def read(self, pages: Iterable[PageInput | None]) -> Iterator[Reading | Exception]:
        return (reading.read_page(page) for page in pages if page is not None)

    def summarize(self, document: DocumentText) -> Summary:
        return summarizing.summarize(document)

    def answer(self, document: DocumentText, questions: Sequence[Question]) -> list[Answer]:
        return answering.answer(document, questions)
