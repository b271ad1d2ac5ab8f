"""Reads ``tiktoken.model`` and turns ordinary text into ids and back; it knows no special token at all.

The file holds one "base64 rank" pair a line. The rank of a byte is not its value, so ranks are read, never assumed.
Reading the published 163,584 lines and building the encoder takes about half a second and some 40 MB; encoding runs at
a few million characters a second.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path

import tiktoken

# Splits text into pieces that are merged on their own: runs of Han; words (an optional leading sign, capitals then
# small letters, an English contraction), once for words that end in small letters and once for capitals; up to three
# digits; signs; line breaks; spaces. The class intersections (&&) are understood by tiktoken, not by Python's re.
_LEAD = r"[^\r\n\p{L}\p{N}]?"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
SPLIT_PATTERN = "|".join(
    (
        r"[\p{Han}]+",
        f"{_LEAD}{_UPPER}*{_LOWER}+{_CONTRACTION}",
        f"{_LEAD}{_UPPER}+{_LOWER}*{_CONTRACTION}",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

# The published tokenizer cuts here, and ids must agree with it. The cuts also bound what one piece can cost to merge.
_PIECE_CHARS = 400_000
_RUN_CHARS = 25_000
_RUNS = re.compile(r"\s++|\S++")


class VocabularyFileError(ValueError):
    """A ``tiktoken.model`` is missing, broken or no vocabulary of bytes."""


def read_ranks(path: Path) -> dict[bytes, int]:
    """The file's tokens with their ranks.

    Raises :class:`VocabularyFileError` for a line that is no "base64 rank" pair, a rank or token given twice, ranks
    that are not 0..n-1, or a byte without a token of its own.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise VocabularyFileError(f"Cannot read the vocabulary {path}: {error}.") from error
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            encoded, rank = line.split()
            ranks[base64.b64decode(encoded, validate=True)] = int(rank)
        except (ValueError, binascii.Error) as error:
            raise VocabularyFileError(
                f"{path}, line {number}: not a 'base64 rank' pair ({line[:40]!r}). The file is damaged or is not the "
                "vocabulary itself (a Git LFS pointer?): fetch it again."
            ) from error
    if sorted(ranks.values()) != list(range(len(ranks))):
        raise VocabularyFileError(f"{path}: its {len(ranks)} tokens are not ranked 0..{len(ranks) - 1}, each once.")
    if absent := [value for value in range(256) if bytes([value]) not in ranks]:
        raise VocabularyFileError(
            f"{path}: {len(absent)} of the 256 single bytes have no token, the first {absent[0]}."
        )
    return ranks


class Vocabulary:
    """The ordinary tokens: text to ids, ids to bytes. Safe to share between threads; pickles."""

    def __init__(self, ranks: dict[bytes, int]) -> None:
        self.ranks = ranks
        self.tokens = sorted(ranks, key=ranks.__getitem__)  # by id
        self._encoding = tiktoken.Encoding("kimi-vl", pat_str=SPLIT_PATTERN, mergeable_ranks=ranks, special_tokens={})

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        return cls(read_ranks(path))

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Ids of the text; nothing in it is special. A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
        if len(text) <= _RUN_CHARS:
            return self._encoding.encode_ordinary(text)
        return [token_id for piece in cut_long_text(text) for token_id in self._encoding.encode_ordinary(piece)]

    def lines(self) -> bytes:
        """The vocabulary in the file's own format, in the order of rank."""
        return b"".join(b"%b %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(self.tokens))


def cut_long_text(text: str) -> Iterator[str]:
    """Pieces of at most 400,000 characters in which no run of spaces, or of anything else, passes 25,000."""
    for start in range(0, len(text), _PIECE_CHARS):
        piece = text[start : start + _PIECE_CHARS]
        last = 0
        for run in _RUNS.finditer(piece):
            for cut in range(run.start() + _RUN_CHARS, run.end(), _RUN_CHARS):
                yield piece[last:cut]
                last = cut
        yield piece[last:]


def _byte_letters() -> str:
    """One printable character for each byte value, so that a token of any bytes can be written as a string.

    Visible Latin-1 characters stand for themselves, the other 68 bytes for U+0100 onwards, in order: the convention of
    every byte-level vocabulary.
    """
    visible = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = iter(range(0x100, 0x200))
    return "".join(chr(value if value in visible else next(hidden)) for value in range(256))


_LETTERS = _byte_letters()
_BYTES = {letter: value for value, letter in enumerate(_LETTERS)}


def letters_of(token: bytes) -> str:
    """A token as a string, one letter a byte."""
    return "".join([_LETTERS[value] for value in token])


def bytes_of(letters: str) -> bytes:
    """The token that :func:`letters_of` wrote."""
    return bytes(_BYTES[letter] for letter in letters)
