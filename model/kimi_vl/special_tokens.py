"""The 256 special slots behind Kimi-VL's vocabulary: which name sits where, and refusing files that moved one.

Why the care: converted tokenizers that close the gaps between the named slots shift ``<|media_pad|>`` and
``<|im_middle|>`` by three without any error, and the model then reads another prompt than the one it was given.
Everything here counts in offsets from the first slot, so that small vocabularies (tests) obey the same table. Costs
nothing; reading a ``tokenizer.json`` to check it takes about 0.2 s for a full-size file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

SPECIAL_SLOTS = 256

BOS, EOS, PAD, UNK = "[BOS]", "[EOS]", "[PAD]", "[UNK]"
IM_END, IM_MIDDLE = "<|im_end|>", "<|im_middle|>"
IM_SYSTEM, IM_USER, IM_ASSISTANT = "<|im_system|>", "<|im_user|>", "<|im_assistant|>"
MEDIA_START, MEDIA_CONTENT, MEDIA_PAD, MEDIA_END = (
    "<|media_start|>",
    "<|media_content|>",
    "<|media_pad|>",
    "<|media_end|>",
)

NAMED_OFFSETS: Mapping[str, int] = MappingProxyType(
    {
        BOS: 0,
        EOS: 1,
        IM_END: 2,
        IM_USER: 3,
        IM_ASSISTANT: 4,
        "<|start_header_id|>": 6,
        "<|end_header_id|>": 7,
        "[EOT]": 9,
        IM_SYSTEM: 10,
        IM_MIDDLE: 17,
        MEDIA_START: 18,
        MEDIA_CONTENT: 19,
        MEDIA_END: 20,
        MEDIA_PAD: 21,
        PAD: 254,
        UNK: 255,
    }
)
# Published sources disagree on the order of these two; both are masked wherever they occur.
_INTERCHANGEABLE = frozenset({PAD, UNK})


class TokenizerMismatchError(ValueError):
    """A tokenizer file does not hold Kimi-VL's special tokens at their places."""


def special_tokens(base: int) -> dict[int, str]:
    """id -> name of all 256 slots behind ``base`` ordinary entries; unnamed slots carry their absolute id."""
    names = {offset: name for name, offset in NAMED_OFFSETS.items()}
    return {base + i: names.get(i, f"<|reserved_token_{base + i}|>") for i in range(SPECIAL_SLOTS)}


def resolve_special_tokens(base: int, declared: Mapping[int, str], source: str) -> dict[int, str]:
    """The 256 slots with what a checkpoint declares laid over them.

    ``declared`` (id -> name, often partial) may name reserved slots and may swap [PAD] with [UNK].
    Raises :class:`TokenizerMismatchError` where it moves or renames any other token, reuses a name, or names an id
    outside the slots; ``source`` says in that message which file it was.
    """
    table = special_tokens(base)
    places = {name: i for i, name in table.items()}
    problems = []
    for token_id, name in sorted(declared.items()):
        expected = table.get(token_id)
        if expected is None:
            problems.append(f"{name!r} has id {token_id}, outside the special slots {base}..{base + SPECIAL_SLOTS - 1}")
        elif name == expected or {name, expected} == _INTERCHANGEABLE:
            continue
        elif name in places:
            problems.append(f"{name!r} has id {token_id}, must be {places[name]}")
        elif expected in NAMED_OFFSETS:
            problems.append(f"id {token_id} is named {name!r}, must be {expected!r}")
    resolved = {**table, **declared}
    if not problems and len(set(resolved.values())) != len(resolved):
        problems.append("one name stands in two slots")
    if problems:
        raise TokenizerMismatchError(
            f"{source} does not hold Kimi-VL's special tokens at their ids: {'; '.join(problems[:4])}"
            f"{f'; and {len(problems) - 4} more' if len(problems) > 4 else ''}. Its ids look converted or belong to "
            "another model. Use the tiktoken.model and tokenizer_config.json that were published with the checkpoint."
        )
    return resolved


def check_converted(path: Path, base: int) -> None:
    """Refuse a ``tokenizer.json`` beside the vocabulary whose special ids shifted in conversion.

    The file itself is never used. It is checked because other tools that read the same directory would use it, and
    because its presence with wrong ids says that the directory was converted.
    """
    try:
        added = json.loads(path.read_text("utf-8"))["added_tokens"]
        declared = {int(entry["id"]): str(entry["content"]) for entry in added}
    except (KeyError, TypeError, ValueError) as error:
        raise TokenizerMismatchError(
            f"{path} is not a tokenizer.json with a list of added tokens ({error!r}). Remove it: tiktoken.model is "
            "what is used here."
        ) from error
    resolve_special_tokens(base, declared, str(path))
