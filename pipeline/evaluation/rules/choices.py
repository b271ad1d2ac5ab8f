"""Which option of a multiple-choice question a model means: one function for each official rule, quirks included.

The rules differ on purpose: a benchmark's published figures hold for its own. None of them is ours; where an official
rule draws a letter at random or asks a judge model, the function gives None and the caller says what stands in its
place. All are linear in the text.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

REFUSED = "Z"  # the letter that the toolkit's rule gives to a refusal: it is never right
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
_SEPARATORS = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_STATED = re.compile(r"(?:correct\s+)?answer\s+is\s+\**([ABCD])\**", re.I)
_NEAR_THE_END = 5  # words from the end within which a lone letter counts

_VIDEO_PHRASES = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
    "The best option is",
    "The correct option is",
    "Best answer:",
    "Best option:",
)
_LONG_WITHOUT_LETTER = 10
_EDGES = ",.!?;:'"
_TOMATO = re.compile(r"^Answer is:?[\(]?([A-Fa-f])[\)]?$")

_NAMED = ("answer", "correct answer", "best answer", "correct option", "best option", "choice", "correct choice")
_PHRASES = (
    *(f"{name} is" for name in _NAMED),  # with and without "the": the later place is the same
    *("i choose", "i select", "i pick", "my answer is", "my choice is"),
    *("옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは"),
)


def letters(count: int) -> list[str]:
    return list(string.ascii_uppercase[:count])


def lettered(options: Sequence[str]) -> dict[str, str]:
    return dict(zip(string.ascii_uppercase, options, strict=False))


def inferred_option(answer: str, options: Mapping[str, str]) -> str | None:
    """VLMEvalKit's rule (MMBench, MMStar, AI2D …): a lone letter near the end, else an option's text.

    None where the toolkit asks a judge model, and counts the item as wrong where it has none.
    """
    return _inferred_letter(answer, options) or _inferred_text(answer, options)


def _inferred_letter(answer: str, options: Mapping[str, str]) -> str | None:
    if "Failed to obtain answer via API" in answer:
        return None
    if any(refusal in answer for refusal in _REFUSALS):
        return REFUSED
    words = answer.translate(_SEPARATORS).split()
    named = [letter for letter in options if letter in words]
    if len(named) == 1 and words.index(named[0]) > len(words) - _NEAR_THE_END:
        return named[0]
    if not named and REFUSED in words:
        return REFUSED
    stated = _STATED.search(answer)
    return stated[1].upper() if stated and stated[1].upper() in options else None


def _inferred_text(answer: str, options: Mapping[str, str]) -> str | None:
    answer = answer.lower()
    if len(answer) > 2 * sum(map(len, options.values())):
        return None
    named = [letter for letter, text in options.items() if text.lower() in answer]
    return named[0] if len(named) == 1 else None


def mmmu_option(response: str, options: Mapping[str, str]) -> str | None:
    """MMMU's rule: ``(A)``, else ``A `` and then ``A.``, else an option's text; the last one said wins.

    None where the official code draws at random.
    """
    response = f" {_stripped(response)} "
    for form in ("({})", "{} ", "{}."):
        named = [letter for letter in options if form.format(letter) in response]
        if named:
            placed = "({})" if form == "({})" else " {} "
            return max(named, key=lambda letter: response.rfind(placed.format(letter)))
    if len(response.split()) > 5:
        return _last_text(response, options)
    return None


def egoschema_option(response: str, options: Mapping[str, str]) -> str | None:
    """EgoSchema's rule as lmms-eval has it: the letter said first, in any of three forms; else an option's text.

    None where the code draws at random.
    """
    response = f" {_stripped(response)} "
    forms = [form.format(letter) for form in ("({})", "{} ", "{}.") for letter in options]
    said = [form for form in forms if form in response]
    if said:
        return min(said, key=response.rfind).strip("(). ")
    if len(response.split()) <= 5:
        return None
    lowered = response.lower()
    named = [letter for letter, text in options.items() if text.strip().lower() in lowered]
    return min(named, key=lambda letter: lowered.rfind(options[letter].strip().lower()), default=None)


def _stripped(response: str) -> str:
    for sign in _EDGES:
        response = response.strip(sign)
    return response


def _last_text(response: str, options: Mapping[str, str]) -> str | None:
    lowered = response.lower()
    named = [letter for letter, text in options.items() if text.lower() in lowered]
    return max(named, key=lambda letter: lowered.rfind(options[letter].lower()), default=None)


def ranked_option(response: str, among: Sequence[str]) -> str | None:
    """lmms-eval's shared rule (VideoMMMU and others): forms by rank, and of the best form the last place."""
    if not response.strip():
        return None
    text = response.strip()
    for sign in (*_EDGES, '"'):
        text = text.strip(sign)
    text = f" {text} "
    bare = text.strip()
    found: list[tuple[int, int, int, str]] = []  # rank, place, order of finding, letter

    def note(rank: int, place: int, letter: str) -> None:
        found.append((rank, place, -len(found), letter))

    for rank, form in ((6, "({})"), (5, "{}."), (4, "{}:"), (3, "{})"), (2, "{} ")):
        for letter in among:
            if (said := form.format(letter)) in text:
                note(rank, text.rfind(said), letter)
    lowered = text.lower()
    for phrase in _PHRASES:
        if (place := lowered.find(phrase)) != -1:
            for letter in among:
                if (after := text.find(letter, place + len(phrase))) != -1:
                    note(7, after, letter)
    for letter in among:
        if bare.startswith(letter) and (len(bare) == 1 or not bare[1].isalpha()):
            note(10, 0, letter)
    for letter in among:
        if bare.endswith(letter) and (len(bare) == 1 or not bare[-2].isalpha()):
            note(9, len(text) - 1, letter)
    if not found:
        for letter in among:
            if letter in text:
                note(0, text.rfind(letter), letter)
    return max(found)[3] if found else None


def first_letter(answer: str, among: Sequence[str]) -> str | None:
    """The rule of Video-MME (A to D) and LongVideoBench (A to E): set phrases go, then the first such letter anywhere.

    So ``A book, B`` is A. None counts as wrong.
    """
    answer = answer.strip()
    for phrase in _VIDEO_PHRASES:
        answer = answer.replace(phrase, "")
    found = re.search(f"[{''.join(among)}]", answer)
    return found[0] if found else None


def before_bracket(prediction: str) -> str:
    """MLVU's rule: the one character before the first ``)``; without one the whole prediction."""
    place = prediction.find(")")
    return prediction if place < 0 else prediction[place - 1 : place]


def tomato_option(response: str, options: Mapping[str, str]) -> str | None:
    """TOMATO's rule before its judge model: a lone letter, ``A: option`` in capitals, or ``Answer is (A)``."""
    response = response.strip()
    if len(response) == 1 and response.upper() in options:
        return response.upper()
    if response.upper() in {f"{letter}: {text}" for letter, text in options.items()}:
        return response[0].upper()
    stated = _TOMATO.match(response)
    return stated[1].upper() if stated and stated[1].upper() in options else None


def first_word(prediction: str) -> str:
    """VSI-Bench's rule: what stands before the first blank, without a full stop."""
    return prediction.split(" ")[0].rstrip(".").strip()
