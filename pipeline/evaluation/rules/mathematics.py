"""MathVision's rule: the answer is cut out of the response (boxed, or after a set phrase), cleaned and compared.

Values are equal where they agree to two decimals. The official code evaluates both as Python; here a small reader of
LaTeX arithmetic does it (fractions, roots, powers, pi), so that no text of a model runs. What it cannot read is
unequal, as where the official parser fails.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_PHRASES = ("the final answer is", "the answer is", "the correct answer is", "the answer should be")
_TOKEN = re.compile(r"\s*(\d+\.?\d*|\.\d+|\\[a-zA-Z]+|[-+*/^(){}\[\]]|,)")
_MOST_DIGITS = 400  # of an exponent's result, past which a value counts as unreadable
_DEPTH = 40


def answer_is_right(response: str, gold: str, options: Sequence[str]) -> bool:
    """``gold`` is a letter where there are options; the option's own text is as good."""
    said = cut_out(response.strip())
    texts = [gold, options[ord(gold) - ord("A")]] if options else [gold]
    return any(equal(text, said) for text in texts)


def cut_out(response: str) -> str:
    """The answer in a response, without units, blanks and LaTeX that only dresses it."""
    for letter in "ABCDE":
        ends = response.endswith((f" {letter}.", f" ({letter})."))
        if ends or response.startswith((f"{letter}\n", f"({letter})\n", f"({letter}) {letter}\n")):
            response = letter
    last = response.split("is ")[-1].rstrip(".")
    if _is_number(last):
        response = last
    if "oxed{" not in response:
        for phrase in _PHRASES:
            for form in (phrase, phrase.replace("the", "The")):
                if form in response:
                    response = response.split(form)[-1].strip().split("\n")[0].split(". ")[0]
                else:
                    response = response.strip()
    elif response.count("oxed{") > 1:
        response = "\\boxed{" + response.split("oxed{")[-1]
    answer = _cleaned(response)
    for letter in "abcde":
        answer = answer.replace(f"({letter})", letter).replace(f"{{{letter}}}", letter)
    return answer.rstrip(".").lstrip(":").strip()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cleaned(text: str) -> str:
    text = text.lower().replace("{}", "")
    boxed = re.findall(r"oxed{(.*)}", text, re.S)
    answer = boxed[-1] if boxed else text
    closing, opening = answer.find("}"), answer.find("{")
    if closing != -1 and (opening == -1 or closing < opening):
        answer = answer.split("}")[0]
    answer = answer.split("=")[-1].split("\\approx")[-1]
    for before, after in _REPLACED:
        answer = answer.replace(before, after)
    return _plain(answer)


_REPLACED = (
    (" ", ""),
    ("\\,", ""),
    ("∞", "\\infty"),
    ("+\\infty", "\\infty"),
    ("\\\\", "\\"),
    ("\n", ""),
    ("\\text", ""),
    ("\\mbox", ""),
    ("bmatrix", "pmatrix"),
    ("\\left", ""),
    ("\\right", ""),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("{m}^3", ""),
    ("m^3", ""),
    ("{units}", ""),
    ("units", ""),
    ("{km}", ""),
    ("km", ""),
)


def _plain(text: str) -> str:
    for before, after in (
        ("\\!", ""),
        ("tfrac", "frac"),
        ("dfrac", "frac"),
        ("\\$", ""),
        ("$", ""),
        ("\\%", ""),
        (" .", " 0."),
        ("{.", "{0."),
    ):
        text = text.replace(before, after)
    if text.startswith("."):
        text = f"0{text}"
    text = re.sub(r"\\sqrt(?!\{)(.)", r"\\sqrt{\1}", text)
    if text == "0.5":
        return "\\frac{1}{2}"
    if "sqrt" in text:
        text = re.sub(r"\\frac([^{])([^{])", r"\\frac{\1}{\2}", text)
    fraction = re.fullmatch(r"(-?\d+)/(-?\d+)", text)
    return f"\\frac{{{int(fraction[1])}}}{{{int(fraction[2])}}}" if fraction else text


def equal(first: str, second: str) -> bool:
    first, second = first.lower(), second.lower()
    if not first.replace(" ", "") or not second.replace(" ", ""):
        return False
    if first.strip() == second.strip():
        return True
    parts, others = _entries(first), _entries(second)
    if parts is not None and others is not None:
        return parts == others
    value, other = latex_value(first), latex_value(second)
    return value is not None and other is not None and round(value, 2) == round(other, 2)


def _entries(text: str) -> list[str] | None:
    """The entries of a tuple or list, rounded where they have a value; None for anything else."""
    if len(text) < 2 or text[0] + text[-1] not in ("()", "[]") or "," not in text:
        return None
    found = [text[0]]
    for entry in text[1:-1].split(","):
        value = None if "infty" in entry or entry in ("a", "-a") else latex_value(entry)
        found.append(entry if value is None else str(round(value, 2)))
    return found


def latex_value(text: str) -> float | None:
    """The value of an arithmetic LaTeX expression; None for what is none."""
    tokens = _tokens(text)
    if not tokens:
        return None
    try:
        reader = _Arithmetic(tokens)
        value = reader.sum()
        return value if reader.ended and math.isfinite(value) else None
    except (_UnreadableError, ArithmeticError, ValueError):
        return None


def _tokens(text: str) -> list[str] | None:
    found: list[str] = []
    place, text = 0, text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        found.append(match[1])
        place = match.end()
    return found


class _UnreadableError(Exception):
    """Not an arithmetic expression."""


class _Arithmetic:
    """Recursive descent over tokens; juxtaposed factors multiply."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    @property
    def ended(self) -> bool:
        return self._place == len(self._tokens)

    def _peek(self) -> str | None:
        return None if self.ended else self._tokens[self._place]

    def _take(self, wanted: str | None = None) -> str:
        token = self._peek()
        if token is None or (wanted is not None and token != wanted):
            raise _UnreadableError
        self._place += 1
        return token

    def sum(self) -> float:
        self._depth += 1
        if self._depth > _DEPTH:
            raise _UnreadableError
        value = self._product()
        while self._peek() in ("+", "-"):
            value = value + self._product() if self._take() == "+" else value - self._product()
        self._depth -= 1
        return value

    def _product(self) -> float:
        value = self._signed()
        while (token := self._peek()) is not None and token not in ("+", "-", ")", "}", "]", ","):
            if token in ("*", "\\cdot", "\\times"):
                self._take()
                value *= self._signed()
            elif token in ("/", "\\div"):
                self._take()
                value /= self._signed()
            else:
                value *= self._power()
        return value

    def _signed(self) -> float:
        if self._peek() in ("+", "-"):
            return self._signed() if self._take() == "+" else -self._signed()
        return self._power()

    def _power(self) -> float:
        base = self._atom()
        if self._peek() != "^":
            return base
        self._take()
        exponent = self._signed()
        if base and abs(exponent * math.log10(abs(base))) > _MOST_DIGITS:
            raise _UnreadableError
        value = base**exponent
        if isinstance(value, complex):
            raise _UnreadableError
        return float(value)

    def _atom(self) -> float:
        token = self._take()
        if token[0].isdigit() or token[0] == ".":
            return float(token)
        if token in ("(", "{"):
            value = self.sum()
            self._take(")" if token == "(" else "}")
            return value
        if token == "\\pi":
            return math.pi
        if token == "\\frac":
            over, under = self._atom(), self._atom()
            return over / under
        if token == "\\sqrt":
            degree = 2.0
            if self._peek() == "[":
                self._take()
                degree = self.sum()
                self._take("]")
            return float(self._atom() ** (1 / degree))
        raise _UnreadableError
