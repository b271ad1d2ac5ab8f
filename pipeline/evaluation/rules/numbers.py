"""Official rules that compare numbers and lists: MMMU's open answers, VSI-Bench, MathVista, MMLongBench-Doc.

Nothing that a model wrote is ever evaluated as code, as some official scripts do; lists are parsed as literals.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein

from folioscope.pipeline.evaluation.rules.texts import cleaned, document_text_score, graded, must_be_exact

_SENTENCES = re.compile(r"\.\s(?=[A-Z])|\n")
_INDICATORS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_TRIVIAL = frozenset(":,.!?;'")
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),
)
_VSI_STEPS = np.linspace(0.5, 0.95, 10)  # as its code makes them: an error right at a step falls as it does there
_LETTER = re.compile(r"\(([a-zA-Z])\)")


def open_answer_is_right(response: str, golds: Sequence[str]) -> bool:
    """MMMU's rule for open questions: a gold text stands in what follows words like "is", or a number equals it."""
    wanted = [form for gold in golds for form in _normal_forms(gold)]
    said = [form for text in _told(response) for form in _normal_forms(text)]
    for form in said:
        if isinstance(form, str):
            if any(isinstance(gold, str) and gold in form for gold in wanted):
                return True
        elif form in wanted:
            return True
    return False


def _told(response: str) -> list[str]:
    """The tails of sentences in which the answer may stand, and the numbers in them."""
    lowered = response.strip().strip(".").lower()
    sentences = _SENTENCES.split(lowered)
    tails: list[str] = []
    for number, sentence in enumerate(sentences):
        indicators = (*_INDICATORS, "=") if number == len(sentences) - 1 else _INDICATORS
        candidates = [sentence.split(sign)[-1].strip() for sign in indicators if sign in sentence]
        shortest = ""
        for (
            candidate
        ) in candidates:  # an empty tail gives way to what the next indicator finds, as in the official code
            if not shortest or len(candidate) < len(shortest):
                shortest = candidate
        if shortest and shortest not in _TRIVIAL:
            tails.append(shortest)
    tails = tails or [lowered]
    return [*tails, *(number for tail in tails for pattern in _NUMBERS for number in pattern.findall(tail))]


def _normal_forms(text: str) -> list[str | float]:
    text = text.strip()
    number = as_number(text.replace(",", ""))
    if number is not None:
        return [round(number, 2)]
    text = text.lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def relative_accuracy(prediction: float | None, gold: float) -> float:
    """VSI-Bench's rule: the share of ten tolerances (from 50 % down to 5 %) that the relative error keeps."""
    if prediction is None or math.isnan(prediction) or gold == 0:
        return 0.0
    error = abs(prediction - gold) / gold
    return float((error <= 1 - _VSI_STEPS).mean())


def mathvista_value(extraction: str, choices: Sequence[str], answer_type: str, precision: int) -> str | None:
    """MathVista's normalised answer: the option's text (the nearest one where no letter is named), or the number."""
    if choices:
        named = _LETTER.findall(extraction)
        text = named[0].upper() if named else extraction.strip()
        place = ord(text) - ord("A") if len(text) == 1 else -1
        if 0 <= place < len(choices):
            return choices[place]
        return min(choices, key=lambda choice: Levenshtein.distance(text, choice))
    if answer_type not in ("integer", "float"):
        return extraction
    number = as_number(extraction)
    if number is None or not math.isfinite(number):
        return None
    return str(int(number)) if answer_type == "integer" else str(round(number, precision))


def document_answer_score(gold: str, prediction: str, answer_format: str) -> float:
    """MMLongBench-Doc's rule by the answer's format: Int, Float, Str, None or List."""
    match answer_format:
        case "Int":
            told, wanted = as_number(prediction), re.fullmatch(r"\s*[+-]?\d+\s*", gold)
            return float(told is not None and wanted is not None and math.isfinite(told) and int(gold) == int(told))
        case "Float":
            return float(_float_is_right(gold, prediction))
        case "Str" | "None":
            return document_text_score(gold, prediction)
        case _:
            return _list_score(_as_list(gold), _as_list(prediction))


def _float_is_right(gold: str, prediction: str) -> bool:
    wanted, told = as_number(cleaned(gold)), as_number(cleaned(prediction))
    if wanted is None or told is None or not math.isfinite(told):
        return False
    for value in (wanted / 100, wanted, wanted * 100):  # a share and its percentage are the same
        digits = max(min(_decimals(told), _decimals(value)), 2)
        if math.isclose(value, told, rel_tol=0.01) or round(told, digits) == round(value, digits):
            return True
    return False


def _decimals(value: float) -> int:
    text = str(value)
    return len(text.split(".")[-1]) if "." in text else 3


def _as_list(text: str) -> list[str]:
    if not text.startswith("["):
        return [text]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return [text]
    return [str(entry) for entry in value] if isinstance(value, list) else [text]


def _list_score(gold: list[str], prediction: list[str]) -> float:
    """The worst pair of the sorted lists counts; a list of another length is wrong."""
    if len(gold) != len(prediction):
        return 0.0
    wanted, told = sorted(map(cleaned, gold)), sorted(map(cleaned, prediction))
    if not wanted:
        return 1.0
    if as_number(wanted[0]) is not None or must_be_exact(wanted[0]):
        return float("-".join(wanted) == "-".join(told))
    return min(graded(first, second) for first, second in zip(wanted, told, strict=True))
