"""What questions ask for, rows of tables with the names of their columns, and answers from both."""

from __future__ import annotations

import pytest

from benchmarks.answers import figures, outcome, questions, tallies
from folioscope.model.embedded.answer import answer
from folioscope.model.embedded.asked import Asked
from folioscope.model.embedded.named_rows import NamedCell, named_rows
from folioscope.model.embedded.sentences import split_sentences
from folioscope.model.protocol import Answer, Block, DocumentText, PageText, Question
from folioscope.model.words import tokens

TABLE = (
    '<table><tr><th>Port</th><th colspan="2">Dues</th><th>Ships</th></tr><tr><th></th><th>2010</th><th>2011</th><th></th></tr>'
    "<tr><td>Hythe</td><td>1,204</td><td>1,380</td><td>31</td></tr>"
    '<tr><td colspan="4">Inland ports</td></tr><tr><td>Sallow</td><td>98</td><td>77</td><td>4</td></tr></table>'
)


def document(*blocks: Block, language: str = "en") -> DocumentText:
    return DocumentText("a" * 64, "a.pdf", None, (PageText(1, "", blocks, language),))


def said(question: str, *blocks: Block) -> str | None:
    [found] = answer(document(*blocks), [Question("q", question)])
    return found.text


def text(words: str) -> Block:
    return Block("text", words)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How much did the wall cost?", "money"),
        ("What was the total cost of salaries?", "money"),
        ("How many ships came?", "number"),
        ("How high did the river rise?", "number"),
        ("How long did the flood last?", "duration"),
        ("What percentage of homes was flooded?", "percent"),
        ("What is the unemployment rate?", "number"),
        ("Which year saw the flood?", "year"),
        ("When did the wall fall?", "date"),
        ("Who built the wall?", "name"),
        ("What is a weir?", None),
        ("Wie viele Schiffe kamen?", "number"),
    ],
)
def test_the_kind_that_is_asked_for(question: str, kind: str | None) -> None:
    assert Asked.of(question, "en", names_stand_out=True).kind == kind


@pytest.mark.parametrize(
    ("question", "words", "answers"),
    [
        ("How much did the wall cost?", "The wall cost 2.3 million crowns.", True),
        ("How much did the wall cost?", "The wall is 12 metres high.", False),
        ("How many students were tested in 2006?", "In 2006–07 students were tested.", False),
        ("What percentage was flooded?", "A quarter of it was flooded.", True),
        ("What percentage was flooded?", "It was flooded for 3 days.", False),
        ("How long did it last?", "It lasted 3 days.", True),
        ("When is the meeting?", "The board may choose to meet.", False),
        ("When is the meeting?", "It is on 6 May.", True),
        ("When is the meeting?", "It is in May.", True),
        ("Who built the wall of Hythe?", "The wall of Hythe fell.", False),
        ("Who built the wall of Hythe?", "It was built by Ada Renner.", True),
    ],
)
def test_what_answers_a_kind(question: str, words: str, answers: bool) -> None:
    assert Asked.of(question, "en", names_stand_out=True).is_answered_by(words) == answers


def test_rows_have_the_names_of_their_columns() -> None:
    rows = named_rows(TABLE)
    assert [row.is_head for row in rows] == [True, True, False, False, False]
    assert rows[2].cells == (
        NamedCell("", "Hythe"),
        NamedCell("Dues 2010", "1,204"),
        NamedCell("Dues 2011", "1,380"),
        NamedCell("Ships", "31"),
    )
    assert rows[2].text == "Hythe 1,204 1,380 31"
    assert rows[3].cells == (NamedCell("", "Inland ports"),)


def test_rows_without_names_have_none() -> None:
    assert [cell.name for cell in named_rows("<table><tr><td>a</td><td>1</td></tr></table>")[0].cells] == ["", ""]


@pytest.mark.parametrize(
    ("question", "answer_"),
    [
        ("What were the dues of Hythe in 2011?", "Hythe, Dues 2011: 1,380"),
        ("How many ships did Hythe have?", "Hythe, Ships: 31"),
        ("How many ships did the inland port of Sallow have?", "Sallow, Ships: 4"),
        ("What were the dues of Carrow in 2011?", None),
        ("How many bridges did Hythe have?", None),
    ],
)
def test_a_row_answers_with_the_cell_that_is_asked_for(question: str, answer_: str | None) -> None:
    assert said(question, Block("table", TABLE)) == answer_


def test_an_answer_from_a_row_is_proved_by_the_row() -> None:
    [found] = answer(document(Block("table", TABLE)), [Question("q", "How many ships did Hythe have?")])
    assert [evidence.quote for evidence in found.evidence] == ["Hythe 1,204 1,380 31"]


def test_names_of_columns_and_questions_themselves_are_no_answers() -> None:
    assert said("What are the dues of ports?", Block("table", TABLE)) is None
    assert (
        said("What is the range of the lowest salary?", text("The range of the lowest salary is as follows:")) is None
    )
    assert said("What did the harbour board resolve?", text("What the harbour board resolved.")) is None


def test_a_number_right_before_what_is_counted_is_preferred() -> None:
    words = "Ships of 40 tons came to the port of Hythe. In the year 31 ships came to the port of Hythe."
    assert (
        said("How many ships came to the port of Hythe?", text(words))
        == "In the year 31 ships came to the port of Hythe."
    )


def test_stems_follow_the_language() -> None:
    assert set(tokens("superintendent", "en")) & set(tokens("superior", "en")) == set()
    assert tokens("preceded", "en") == tokens("precedes", "en")
    assert tokens("Häuser", "de") == tokens("Häusern", "de")
    assert tokens("harbours") == tokens("harbour")


def test_the_figures_of_the_benchmark() -> None:
    asked: dict[str, str | None] = {"How many ships did Hythe have?": "31|thirty-one", "Who built the mole?": None}
    counts = tallies(document(Block("table", TABLE)), asked)
    assert figures(counts, "_x") == {"right_x": 2, "wrong_x": 0, "unanswered_x": 0, "answered_right_x": 1}
    assert outcome(Answer("q", "40", True, 1.0), None) == "wrong"
    assert outcome(Answer("q", "40", True, 1.0), "31") == "wrong"
    assert outcome(Answer("q", None, False, None), "31") == "unanswered"


def test_there_are_150_questions_and_a_third_of_them_has_no_answer() -> None:
    wanted = {
        name: [answer_ for asked in questions(name).values() for answer_ in asked.values()]
        for name in ("tuned", "unseen")
    }
    assert len(wanted["tuned"]) >= 150
    assert all(0.3 <= of.count(None) / len(of) <= 0.4 for of in wanted.values())
    assert not questions("tuned").keys() & questions("unseen").keys()


@pytest.mark.parametrize(
    ("question", "words", "answers"),
    [
        ("How many states relied on growth measures?", "Many state programs (15) relied on growth measures.", True),
        ("How many states relied on growth measures?", "Growth measures are relied on by states (15).", False),
        ("How many ships were lost?", "Of all ships that were lost 31.7% were lost in fog.", False),
        ("How many ships were lost?", "Ships were lost 1-in-20 among those of 40 years, 1-in-4 among others.", False),
        ("How many ships were lost?", "4) Ships were lost in fog, storms and ice.", False),
        ("How many ships were lost?", "Fourteen ships were lost in fog.", True),
        ("How many sections does the self-locking nut have?", "The self-locking nut is of one piece.", False),
        ("What was the age-adjusted death rate?", "The unadjusted death rate of each age was 18.7.", False),
        ("What was the age-adjusted death rate?", "The age-adjusted death rate was 18.1.", True),
        ("What do stationary sources include?", "There are many sources, including stationary ones.", False),
        ("What do stationary sources include?", "Stationary sources include major and area ones.", True),
        ("Which company introduced the typewriter?", "The typewriter was introduced by Remington in 1873.", True),
        ("When did the term word processor emerge?", "The term word processor emerged in the 1960s.", True),
        ("What is the speed of the ferry?", "The ferry and its speed boat cross the river in all weathers.", False),
    ],
)
def test_what_is_asked_for_must_stand_in_the_sentence(question: str, words: str, answers: bool) -> None:
    assert (said(question, text(words)) is not None) == answers


def test_bibliographies_and_captions_of_tables_answer_nothing() -> None:
    cited = (Block("heading", "References"), text("The harbour wall of Hythe as Ada Renner built it, 1989."))
    assert said("Who built the harbour wall of Hythe?", *cited) is None
    assert said("Who built the harbour wall of Hythe?", *cited[1:]) is not None
    caption = Block("caption", "Table 1: Students of the school of Hythe, Fall 2006")
    assert said("How many students had the school of Hythe?", caption) is None


def test_a_dotted_abbreviation_ends_a_sentence_only_before_its_start() -> None:
    words = "She unveiled the U.S. National Action Plan at the harbour. It was made in the U.S. The plan held."
    assert list(split_sentences(words)) == [
        "She unveiled the U.S. National Action Plan at the harbour.",
        "It was made in the U.S.",
        "The plan held.",
    ]


def test_of_columns_named_alike_the_one_that_says_what_is_asked_answers() -> None:
    costs = (
        "<table><tr><th>Category</th><th>Total Costs All Funds</th><th>Total Direct Costs</th></tr>"
        "<tr><td>Salaries</td><td>1,314,000</td><td>940,750</td></tr></table>"
    )
    assert said("What were the total costs of salaries?", Block("table", costs)) == (
        "Salaries, Total Costs All Funds: 1,314,000"
    )
