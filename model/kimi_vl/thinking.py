"""Splits what a Thinking model wrote into its thoughts and its answer. The markers are ordinary text, not tokens."""

from __future__ import annotations

from typing import NamedTuple

from folioscope.model.thoughts import CLOSING, OPENING


class Thoughts(NamedTuple):
    """``truncated`` says that generation ended inside the thoughts, so that there is no answer yet."""

    thoughts: str
    answer: str
    truncated: bool


def split_thoughts(text: str) -> Thoughts:
    """The rule of the model's card, on text decoded as a whole.

    Opened and not closed: all is thought, the answer is empty and ``truncated`` is set. Closed: the answer is what
    follows the first closing marker. Neither: everything is the answer. Outer white space goes.
    """
    before, closed, after = text.partition(CLOSING)
    if closed:
        thoughts = before.partition(OPENING)[2] if OPENING in before else before
        return Thoughts(thoughts.strip(), after.strip(), False)
    if OPENING in text:
        return Thoughts(text.partition(OPENING)[2].strip(), "", True)
    return Thoughts("", text.strip(), False)
