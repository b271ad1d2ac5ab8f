"""Summaries and answers are sentences of the document, and an answer that is not there is not given."""

from __future__ import annotations

from pathlib import Path

import pymupdf
import pytest
import yaml

from examples.make_archive import make_archive
from folioscope.model.embedded.answer import answer
from folioscope.model.embedded.sentences import split_sentences
from folioscope.model.embedded.summarize import summarize
from folioscope.model.protocol import Block, Box, DocumentText, PageText, Question

PROJECT = Path(__file__).resolve().parents[2]
REPORT = (
    "The Alder River Authority looks after 212 kilometres of river between the hills and the sea. This report tells what "
    "it did in 2024 and what it cost.",
    "Margaret Oyelaran, who had led the authority since 2015, retired in June. She was succeeded by Tomas Lindqvist, "
    "formerly the chief engineer. The board met nine times in the year.",
    "At the Millbridge gauge the river rose to 5.84 metres on 9 February. Four hundred homes were warned and ninety-six "
    "were flooded. The wall at Millbridge held.",
    "The fish counter at Sallow Weir recorded 1,874 salmon. The new fish pass was opened in April by Dr. Ines Farrow. "
    "Mink were trapped at four places.",
    "The largest expense was the Millbridge wall, which cost 2.3 million crowns. Wages came to 3.1 million.",
)
GERMAN = (
    "Sandsäcke werden am Bauhof in der Mühlstraße ausgegeben, täglich von 7 bis 19 Uhr. Jeder Haushalt erhält höchstens "
    "vierzig Stück. Im Notfall wählen Sie die Nummer 112.",
)
HELD = [
    ("Who succeeded Margaret Oyelaran?", "Tomas Lindqvist", 2),
    ("How high did the river rise at the Millbridge gauge?", "5.84", 3),
    ("How many salmon did the fish counter record?", "1,874", 4),
    ("Who opened the fish pass?", "Ines Farrow", 4),
    ("How much did the Millbridge wall cost?", "2.3 million", 5),
    ("When did Margaret Oyelaran retire?", "June", 2),
]
ABSENT = [
    "Who is the mayor of Millbridge?",
    "How many helicopters does the authority own?",
    "How many bridges does the authority look after?",
    "How much does the removal of a weir cost?",
    "How high did the river rise at the Penny Dock gauge?",
    "How many salmon did the fish counter record in 1987?",
    "What colour is the boat house?",
    "When was the cathedral consecrated?",
    "How much did the Hythe pumping station cost?",
    "Where was Ada Renner born?",
    "Which king granted the charter?",
]


def document(paragraphs: tuple[str, ...], language: str = "en") -> DocumentText:
    pages = tuple(
        PageText(n, text, (Block("header", "Report"), Block("text", text, Box(0.1, 0.1, 0.9, 0.9))), language)
        for n, text in enumerate(paragraphs, start=1)
    )
    return DocumentText("a" * 64, "report.pdf", "Report", pages)


@pytest.mark.parametrize(("question", "words", "page"), HELD)
def test_an_answer_is_a_sentence_of_its_page(question: str, words: str, page: int) -> None:
    [found] = answer(document(REPORT), [Question("q", question)])
    assert found.answerable
    assert found.text is not None
    assert words in found.text
    assert found.evidence[0].page_number == page
    assert found.text in REPORT[page - 1]


@pytest.mark.parametrize("question", ABSENT)
def test_an_answer_that_is_not_there_is_not_given(question: str) -> None:
    [found] = answer(document(REPORT), [Question("q", question)])
    assert (found.answerable, found.text, found.evidence) == (False, None, ())


def test_other_languages() -> None:
    held, absent = answer(
        document(GERMAN, "de"),
        [Question("1", "Wie viele Sandsäcke erhält jeder Haushalt?"), Question("2", "Wer leitet den Bauhof in Köln?")],
    )
    assert held.text == "Jeder Haushalt erhält höchstens vierzig Stück."
    assert not absent.answerable


def test_an_empty_document_answers_nothing_and_has_no_summary() -> None:
    empty = DocumentText("a" * 64, "x.pdf", None, ())
    assert not answer(empty, [Question("q", "Who?")])[0].answerable
    assert summarize(empty).text == ""


def test_a_summary_is_made_of_sentences_with_their_pages() -> None:
    summary = summarize(document(REPORT))
    assert summary.method == "extractive"
    assert 1 <= len(summary.key_points) <= 5
    for point in summary.key_points:
        [evidence] = point.evidence
        assert evidence.page_number is not None
        assert point.text in REPORT[evidence.page_number - 1]
        assert evidence.bbox == Box(0.1, 0.1, 0.9, 0.9)


def test_contents_and_imprints_are_no_summary() -> None:
    front = "Contents ........ 1. Copyright 2024 by the authority, all rights reserved worldwide. www.example.org is our site."
    summary = summarize(document((front, *REPORT)))
    assert "Copyright" not in summary.text
    assert "...." not in summary.text
    assert summary.text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dr. Farrow came. She stayed.", 2),
        ("It cost 3.5 million. Nobody paid.", 2),
        ("See Fig. 3 for this. J. R. Bell wrote it.", 2),
        ("河水上涨。请注意安全！", 2),
        ("One only", 1),
        ("", 0),
    ],
)
def test_sentences_end_where_they_end(text: str, count: int) -> None:
    assert len(list(split_sentences(text))) == count


def test_the_first_question_of_the_demo_is_answered_from_the_whole_report(tmp_path: Path) -> None:
    """More text must not hide an answer that the truncated copy of the same report gives."""
    report = next(path for path in make_archive(tmp_path) if path.name == "annual-report-2024.pdf")
    with pymupdf.open(report) as pdf:
        texts = tuple(page.get_text() for page in pdf)
    question = yaml.safe_load((PROJECT / "examples" / "questions.yaml").read_text())[0]["question"]
    for pages in (texts, texts[:3]):
        [found] = answer(document(tuple(" ".join(text.split()) for text in pages)), [Question("q", question)])
        assert "5.84" in (found.text or "")
        assert found.evidence[0].page_number == 1


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("Who wrote the charter of Hythe?", "The charter of Hythe was written by Ada Renner in 1312."),
        ("Who built the mill at Sallow?", "Ada Renner has built the mill at Sallow."),
        ("Whom did the bishop choose as envoy?", "The bishop chose Ada Renner as his envoy."),
    ],
)
def test_a_verb_is_found_in_its_other_forms(question: str, sentence: str) -> None:
    [found] = answer(document(("The mill stood there for long.", sentence)), [Question("q", question)])
    assert found.text == sentence
