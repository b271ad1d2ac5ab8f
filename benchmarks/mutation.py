"""Damaging files on purpose, the same way each time: for the fuzz tests and the benchmark of hostile files."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["flip", "cut", "drop", "repeat", "zero", "number", "swap", "graft"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_NUMBER = re.compile(rb"\d+")
EXTREMES = (b"0", b"-1", b"65536", b"2147483647", b"4294967296", b"99999999999999999999", b"1e99", b"0.0000001")


@dataclass(frozen=True, slots=True)
class Mutation:
    """One damage: what, where (0..1 of the file), how much, and a number that decides the rest."""

    kind: Kind
    place: float
    length: int
    value: int


def mutations(chance: random.Random, most: int = 6) -> list[Mutation]:
    return [
        Mutation(chance.choice(KINDS), chance.random(), int(2 ** chance.uniform(0, 12)), chance.getrandbits(16))
        for _ in range(chance.randint(1, most))
    ]


def mutate(content: bytes, steps: list[Mutation], other: bytes = b"") -> bytes:
    """The content with each damage done to it in turn; ``graft`` takes its bytes from ``other``."""
    for step in steps:
        content = _one(content, step, other)
    return content


def _one(content: bytes, step: Mutation, other: bytes) -> bytes:
    at = int(step.place * len(content))
    end = min(len(content), at + step.length)
    piece = content[at:end]
    match step.kind:
        case "flip":
            return content[:at] + bytes(byte ^ (step.value & 0xFF or 1) for byte in piece[:4]) + content[at + 4 :]
        case "cut":
            return content[:at]
        case "drop":
            return content[:at] + content[end:]
        case "repeat":
            return content[:end] + piece * (1 + step.value % 64) + content[end:]
        case "zero":
            return content[:at] + bytes(len(piece)) + content[end:]
        case "number":  # counts, lengths, offsets and references stand in a PDF as decimal numbers
            found = _NUMBER.search(content, at)
            extreme = EXTREMES[step.value % len(EXTREMES)]
            return content if found is None else content[: found.start()] + extreme + content[found.end() :]
        case "swap":
            return content[:at] + content[end : end + len(piece)] + piece + content[end + len(piece) :]
        case "graft":
            start = step.value % (len(other) + 1)
            return content[:at] + other[start : start + step.length] + content[end:]
