"""Writes a small vocabulary, and the other text files of a checkpoint, in the published formats: for tests.

The vocabulary is real: 256 bytes (not in the order of their values, as in the published file), then merges learnt
from a few sentences, then entries that no text reaches, up to the size asked for; so that special ids can be tested
at their published places with ``base_entries=163_584``. A vocabulary of 512 entries takes some 50 ms, a full-size one
about a second.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from folioscope.model.kimi_vl.chat import CHAT_TEMPLATE, DEFAULT_SYSTEM
from folioscope.model.kimi_vl.special_tokens import (
    BOS,
    EOS,
    IM_END,
    MEDIA_PAD,
    NAMED_OFFSETS,
    PAD,
    SPECIAL_SLOTS,
    UNK,
    special_tokens,
)
from folioscope.model.kimi_vl.tokenization import VOCABULARY_FILE

_SAMPLE = (
    f"system user assistant image {DEFAULT_SYSTEM}. What is in this picture? The picture shows a page of a document. "
    "Read the page and give its text as Markdown. The answer is on page 12 of the document, in the table below. "
    "think step by step: the archive holds pages and videos, and each page has its own image. Wie heißt das Dokument? "
    "Où est la réponse ? 这是一个文档的图像。请阅读图像中的文字。 これは文書の画像です。"
)
_NO_TEXT = 0xFF  # a byte that UTF-8 never holds: entries that begin with it are never reached


@dataclass(frozen=True, slots=True)
class TinyVocabulary:
    """The ids that a model's configuration must agree with."""

    base_entries: int
    vocab_size: int
    bos_token_id: int
    eos_token_id: int
    im_end_id: int
    pad_token_id: int
    media_placeholder_token_id: int


def tiny_vocabulary(base_entries: int) -> TinyVocabulary:
    """The sizes and ids of a vocabulary with this many ordinary entries; writes nothing."""
    ids = {name: base_entries + offset for name, offset in NAMED_OFFSETS.items()}
    size = base_entries + SPECIAL_SLOTS
    return TinyVocabulary(base_entries, size, ids[BOS], ids[EOS], ids[IM_END], ids[PAD], ids[MEDIA_PAD])


def write_tiny_tokenizer(
    folder: Path, *, base_entries: int = 512, in_token_limit: int = 4096, merges: int = 256
) -> TinyVocabulary:
    """Write tiktoken.model and the tokenizer, image, chat and generation settings of a checkpoint into ``folder``.

    ``base_entries`` is at least 256; at most ``merges`` of those beyond the bytes are learnt. The settings say what
    the published files say, remote-code references included, at the ids of this vocabulary.
    """
    if base_entries < 256:
        raise ValueError(f"A vocabulary of bytes has at least 256 entries; {base_entries} were asked for.")
    folder.mkdir(parents=True, exist_ok=True)
    tokens = vocabulary_tokens(base_entries, merges)
    lines = (b"%b %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(tokens))
    (folder / VOCABULARY_FILE).write_bytes(b"".join(lines))
    vocabulary = tiny_vocabulary(base_entries)
    _write(folder / "tokenizer_config.json", _tokenizer_config(base_entries))
    _write(folder / "preprocessor_config.json", _preprocessor_config(in_token_limit))
    # As published, without <|im_end|>: what stops a turn must come from the code, not from this file.
    generation = {
        "bos_token_id": vocabulary.bos_token_id,
        "pad_token_id": vocabulary.pad_token_id,
        "eos_token_id": [vocabulary.eos_token_id],
    }
    _write(folder / "generation_config.json", generation)
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE, "utf-8")
    return vocabulary


def vocabulary_tokens(base_entries: int, merges: int) -> list[bytes]:
    """The tokens in the order of rank: bytes, learnt merges, unreachable entries."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    order = visible + [value for value in range(256) if value not in set(visible)]
    tokens = [bytes([value]) for value in order]
    tokens += learn_merges(_SAMPLE, min(merges, base_entries - 256))
    tokens += [bytes([_NO_TEXT]) + number.to_bytes(4, "big") for number in range(base_entries - len(tokens))]
    return tokens


def learn_merges(text: str, count: int) -> list[bytes]:
    """Up to ``count`` byte-pair merges of the text, the most frequent pair first, ties by the bytes themselves."""
    words = Counter(re.findall(r" ?\w+|[^\w\s]+|\s+", text))
    pieces = [([bytes([value]) for value in word.encode()], uses) for word, uses in words.items()]
    learnt: dict[bytes, None] = {}
    while len(learnt) < count:
        pairs: Counter[tuple[bytes, bytes]] = Counter()
        for parts, uses in pieces:
            for pair in pairwise(parts):
                pairs[pair] += uses
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        learnt[best[0] + best[1]] = None
        pieces = [(list(_joined(parts, best)), uses) for parts, uses in pieces]
    return list(learnt)


def _joined(parts: list[bytes], pair: tuple[bytes, bytes]) -> Iterable[bytes]:
    place = 0
    while place < len(parts):
        if tuple(parts[place : place + 2]) == pair:
            yield pair[0] + pair[1]
            place += 2
        else:
            yield parts[place]
            place += 1


def _tokenizer_config(base_entries: int) -> dict[str, Any]:
    table = special_tokens(base_entries)
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    named = {str(i): {"content": name, **flags} for i, name in table.items() if name in NAMED_OFFSETS}
    return {
        "added_tokens_decoder": named,
        "additional_special_tokens": [name for name in NAMED_OFFSETS if name.startswith("<|")],
        "auto_map": {"AutoTokenizer": ["tokenization_moonshot.TikTokenTokenizer", None]},
        "bos_token": BOS,
        "clean_up_tokenization_spaces": False,
        "eos_token": EOS,
        "model_max_length": 1_000_000_000_000_000_019_884_624_838_656,
        "pad_token": PAD,
        "tokenizer_class": "TikTokenTokenizer",
        "unk_token": UNK,
    }


def _preprocessor_config(in_token_limit: int) -> dict[str, Any]:
    return {
        "auto_map": {
            "AutoImageProcessor": "image_processing_kimi_vl.KimiVLImageProcessor",
            "AutoProcessor": "processing_kimi_vl.KimiVLProcessor",
        },
        "image_mean": [0.5, 0.5, 0.5],
        "image_processor_type": "KimiVLImageProcessor",
        "image_std": [0.5, 0.5, 0.5],
        "in_token_limit": in_token_limit,
        "merge_kernel_size": [2, 2],
        "num_pooled_tokens": 1024,
        "pad_input": True,
        "patch_size": 14,
        "processor_class": "KimiVLProcessor",
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
