"""Kimi-VL's tokenizer as users of transformers expect one, built from ``tiktoken.model`` and all 256 special slots.

Two ways in, and the difference matters:

- ``tokenizer(text)``, as everywhere in transformers and as the published code does, reads "<|im_end|>" in the text as
  the special token. Right for a prompt that a chat template made, wrong for text that came from outside.
- ``apply_chat_template(messages)``, ``encode_text`` and ``encode_segments`` never make a special token out of message
  text, whatever it says.

No [BOS] is added and batches are padded on the left. Loading the published vocabulary takes about a second.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizer
from transformers.tokenization_utils_base import AddedToken, BatchEncoding

from folioscope.model.kimi_vl import chat
from folioscope.model.kimi_vl.special_tokens import (
    BOS,
    EOS,
    IM_END,
    PAD,
    SPECIAL_SLOTS,
    UNK,
    TokenizerMismatchError,
    check_converted,
    resolve_special_tokens,
)
from folioscope.model.kimi_vl.vocabulary import Vocabulary, VocabularyFileError, bytes_of, letters_of

VOCABULARY_FILE = "tiktoken.model"


class KimiVLTokenizer(PreTrainedTokenizer):  # type: ignore[misc]
    """See the module. Raises ``TokenizerMismatchError`` where a file puts a special token at another id."""

    vocab_files_names = {"vocab_file": VOCABULARY_FILE}  # noqa: RUF012 (transformers' own attribute)
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012
    padding_side = "left"

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        *,
        tokenizer_file: str | os.PathLike[str] | None = None,
        added_tokens_decoder: Mapping[int, AddedToken | str] | None = None,
        bos_token: str | AddedToken | None = BOS,
        eos_token: str | AddedToken | None = EOS,
        pad_token: str | AddedToken | None = PAD,
        unk_token: str | AddedToken | None = UNK,
        chat_template: str | dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        if vocab_file is None:
            raise VocabularyFileError(
                f"This checkpoint has no {VOCABULARY_FILE}"
                + (f", only a converted {tokenizer_file}" if tokenizer_file else "")
                + ". Kimi-VL's ids are taken from that file alone: put the published one into the directory."
            )
        self.vocabulary = Vocabulary.read(Path(vocab_file))
        base = len(self.vocabulary)
        declared = {int(token_id): str(token) for token_id, token in (added_tokens_decoder or {}).items()}
        self._special_names = resolve_special_tokens(base, declared, f"The tokenizer_config.json beside {vocab_file}")
        self._special_ids = {name: token_id for token_id, name in self._special_names.items()}
        if tokenizer_file is not None:
            check_converted(Path(tokenizer_file), base)
        self._special_pattern = re.compile(
            "(" + "|".join(re.escape(name) for name in sorted(self._special_ids, key=len, reverse=True)) + ")"
        )
        named = {"bos_token": bos_token, "eos_token": eos_token, "pad_token": pad_token, "unk_token": unk_token}
        for role, token in named.items():
            if token is not None and str(token) not in self._special_ids:
                raise TokenizerMismatchError(f"The {role} {str(token)!r} is none of Kimi-VL's special tokens.")
        roles = {str(token) for token in named.values()}
        for leftover in ("auto_map", "additional_special_tokens", "extra_special_tokens", "is_local"):
            kwargs.pop(leftover, None)  # settled above, or of no meaning once loaded
        self._added_tokens_decoder = {
            token_id: AddedToken(name, special=True, normalized=False) for token_id, name in self._special_names.items()
        }
        super().__init__(
            **named,
            extra_special_tokens=[name for name in self._special_ids if name not in roles],
            chat_template=chat_template if chat_template is not None else chat.CHAT_TEMPLATE,
            **kwargs,
        )

    # What is in the vocabulary

    @property
    def vocab_size(self) -> int:
        """Ordinary entries and special slots together: the rows that the model's embedding must have."""
        return len(self.vocabulary) + SPECIAL_SLOTS

    def __len__(self) -> int:
        return self.vocab_size

    def _update_total_vocab_size(self) -> None:
        self.total_vocab_size = self.vocab_size

    def get_vocab(self) -> dict[str, int]:
        return dict(self._token_ids)

    @cached_property
    def _token_ids(self) -> dict[str, int]:
        ordinary = {letters_of(token): token_id for token_id, token in enumerate(self.vocabulary.tokens)}
        return {**ordinary, **self._special_ids}

    @property
    def special_token_ids(self) -> dict[str, int]:
        """Name -> id of all 256 special tokens."""
        return dict(self._special_ids)

    @property
    def stop_ids(self) -> list[int]:
        """What ends a turn: generation must stop on each of these."""
        return [self._special_ids[EOS], self._special_ids[IM_END]]

    def _add_tokens(self, new_tokens: Sequence[str | AddedToken], special_tokens: bool = False) -> int:
        if unknown := [str(token) for token in new_tokens if str(token) not in self._special_ids]:
            raise ValueError(
                f"Kimi-VL's vocabulary is closed: {unknown[:3]} cannot be added, the model has no rows for new ids."
            )
        return 0

    # Text to ids

    def encode_text(self, text: str) -> list[int]:
        """Ids of text from anywhere. No special token comes out of it."""
        return self.vocabulary.encode(text)

    def encode_segments(self, segments: Iterable[chat.Segment]) -> list[int]:
        """Ids of a prompt given in stretches; special names count only where one trusted stretch holds all of it.

        Neighbouring stretches of ordinary text are encoded as one, so a harmless prompt gets the ids that its string
        would get.
        """
        ids: list[int] = []
        pending: list[str] = []
        for segment in segments:
            pieces = self._special_pattern.split(segment.text) if segment.trusted else [segment.text]
            for place, piece in enumerate(pieces):
                if place % 2 == 0:
                    pending.append(piece)
                    continue
                ids += self.vocabulary.encode("".join(pending))
                pending.clear()
                ids.append(self._special_ids[piece])
        return ids + self.vocabulary.encode("".join(pending))

    def encode_prompt(self, prompt: str) -> list[int]:
        """Ids of a prompt string in which special names stand for special tokens: never for untrusted text."""
        return self.encode_segments([chat.Segment(prompt, trusted=True)])

    def chat_segments(
        self,
        messages: Sequence[chat.Message],
        *,
        chat_template: str | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
    ) -> list[chat.Segment]:
        """The conversation in the chat layout, the template's own words kept apart from those of the messages."""
        chat.check_messages(messages)
        marks = chat.choose_marks(messages)
        rendered = super().apply_chat_template(
            chat.mark(messages, marks),
            chat_template=chat_template,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            tokenize=False,
        )
        return chat.read_marks(rendered, marks, messages)

    def apply_chat_template(
        self, conversation: Any, *args: Any, tokenize: bool = True, return_dict: bool = True, **kwargs: Any
    ) -> Any:
        """As in transformers, but with ``tokenize`` (the default here) no message text becomes a special token.

        With ``tokenize=False`` the result is a string that has lost that distinction; see the module.
        """
        if not tokenize:
            return super().apply_chat_template(conversation, *args, tokenize=False, **kwargs)
        if args or kwargs.pop("tools", None) or kwargs.pop("documents", None):
            raise chat.ChatError("Kimi-VL's chat layout has no place for tools or documents; name all other arguments.")
        layout = {
            name: kwargs.pop(name)
            for name in ("chat_template", "add_generation_prompt", "continue_final_message")
            if name in kwargs
        }
        kwargs.pop("sanitize_control_tokens", None)  # always so here
        tokenizer_kwargs = kwargs.pop("tokenizer_kwargs", None) or {}
        batched = is_batch(conversation)
        ids = [
            self.encode_segments(self.chat_segments(messages, **layout))
            for messages in (conversation if batched else [conversation])
        ]
        out = self(ids if batched else ids[0], **kwargs, **tokenizer_kwargs)
        return out if return_dict else out["input_ids"]

    def _encode_plus(self, text: Any, text_pair: Any = None, **kwargs: Any) -> BatchEncoding:
        if kwargs.get("sanitize_control_tokens") or kwargs.get("is_split_into_words"):
            return super()._encode_plus(text, text_pair, **kwargs)
        literal = kwargs.pop("split_special_tokens", None)
        literal = self.split_special_tokens if literal is None else literal
        return super()._encode_plus(self._to_ids(text, literal), self._to_ids(text_pair, literal), **kwargs)

    def _to_ids(self, text: Any, literal: bool) -> Any:
        """Strings as ids, which the base class passes through; it cannot take an empty list in place of ""."""
        if isinstance(text, str):
            return (self.encode_text(text) if literal else self.encode_prompt(text)) or text
        if isinstance(text, (list, tuple)) and any(isinstance(item, str) for item in text):
            return [self._to_ids(item, literal) for item in text]
        return text

    def tokenize(self, text: str, **kwargs: Any) -> list[str]:
        """The tokens as strings, one letter a byte; special tokens by name."""
        literal = kwargs.get("split_special_tokens", self.split_special_tokens)
        ids = self.encode_text(text) if literal else self.encode_prompt(text)
        return [self._convert_id_to_token(token_id) for token_id in ids]

    def _convert_token_to_id(self, token: str) -> int | None:
        return self._token_ids.get(token, self.unk_token_id)

    # Ids to text

    def _convert_id_to_token(self, index: int) -> str:
        if 0 <= index < len(self.vocabulary):
            return letters_of(self.vocabulary.tokens[index])
        if index in self._special_names:
            return self._special_names[index]
        raise ValueError(f"There is no token with id {index}; ids go from 0 to {self.vocab_size - 1}.")

    def token_bytes(self, token_id: int, *, skip_special_tokens: bool = False) -> bytes:
        """What one id adds to the text, in UTF-8; a character may need several ids."""
        if 0 <= token_id < len(self.vocabulary):
            return self.vocabulary.tokens[token_id]
        return b"" if skip_special_tokens else self._convert_id_to_token(token_id).encode()

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        parts = [token.encode() if token in self._special_ids else bytes_of(token) for token in tokens]
        return b"".join(parts).decode(errors="replace")

    def _decode(
        self,
        token_ids: int | list[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
        **kwargs: Any,
    ) -> str:
        ids = [token_ids] if isinstance(token_ids, int) else token_ids
        parts = [self.token_bytes(int(i), skip_special_tokens=skip_special_tokens) for i in ids]
        text = b"".join(parts).decode(errors="replace")
        asked = clean_up_tokenization_spaces
        clean = self.clean_up_tokenization_spaces if asked is None else asked
        return str(self.clean_up_tokenization(text)) if clean else text

    # Files

    def save_vocabulary(self, save_directory: str, filename_prefix: str | None = None) -> tuple[str, ...]:
        path = Path(save_directory, (f"{filename_prefix}-" if filename_prefix else "") + VOCABULARY_FILE)
        path.write_bytes(self.vocabulary.lines())
        return (str(path),)


class TikTokenTokenizer(KimiVLTokenizer):
    """The name that published tokenizer_config.json files give; registered so that AutoTokenizer finds this class."""


def is_batch(conversation: Any) -> bool:
    """Whether this is a list of conversations, not one conversation."""
    return isinstance(conversation, (list, tuple)) and bool(conversation) and isinstance(conversation[0], (list, tuple))
