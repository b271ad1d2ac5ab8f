"""What judge models are asked, and how their replies are read.

The wording is ours; scales and forms are the benchmarks'. A reply that cannot be read leaves the stated rule in place.
"""

from __future__ import annotations

import re

from folioscope.pipeline.evaluation.items import Judging

_SCORE = re.compile(r"\b(?:0(?:\.\d+)?|1(?:\.0+)?)\b")
_EXTRACTED = re.compile(r"(?im)^\W*extracted answer\W*:\s*(.*?)\s*$")


def option_question(question: str, options: dict[str, str], response: str) -> Judging:
    listed = "\n".join(f"{letter}. {text}" for letter, text in options.items())
    return Judging(
        "Below are a multiple-choice question, its options, and what somebody answered. Which option does the answer "
        "mean? Reply with its letter alone, or with Z where it means none of them.\n\n"
        f"Question: {question}\nOptions:\n{listed}\nAnswer: {response}",
        8,
    )


def told_option(reply: str, options: dict[str, str]) -> str | None:
    letter = reply.strip().strip("().*").upper()[:1]
    return letter if letter in options else None


def graded_question(question: str, gold: str, response: str) -> Judging:
    """MM-Vet's scale: 0.0 to 1.0 in tenths; <AND> joins what must all be there, <OR> what is enough alone."""
    gold = gold.replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
    return Judging(
        "Grade an answer against the correct one, from 0.0 (wholly wrong) to 1.0 (wholly right) in steps of 0.1. Where "
        "the correct answer has <AND>, all its parts are needed for 1.0, and some of them earn their share; where it "
        "has <OR>, any one part is enough. What is added to a right answer does not count against it. Reply with the "
        f"grade alone.\n\nQuestion: {question}\nCorrect answer: {gold}\nAnswer: {response}\nGrade:",
        8,
    )


def told_grade(reply: str) -> float | None:
    found = _SCORE.search(reply)
    return float(found[0]) if found else None


def equal_question(question: str, gold: str, response: str) -> Judging:
    return Judging(
        "Does the answer's final result mean the same as the correct answer? Other words, notation or rounding are no "
        "difference; a missing or wrong part or unit is. Reply with 1 for yes and 0 for no.\n\n"
        f"Question: {question}\nCorrect answer: {gold}\nAnswer: {response}",
        8,
    )


def told_equal(reply: str) -> bool | None:
    found = re.search(r"[01]", reply)
    return found[0] == "1" if found else None


def extraction_question(question: str, response: str, form: str) -> Judging:
    return Judging(
        f"Take the final answer out of a response to a question. {form} Add nothing that the response does not say. "
        "Reply with one line:\nExtracted answer: …\n\n"
        f"Question: {question}\nResponse: {response}",
        256,
    )


def told_extraction(reply: str) -> str | None:
    found = _EXTRACTED.search(reply)
    return found[1].strip() if found else None
