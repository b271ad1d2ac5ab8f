"""Ids from tiktoken.model and all 256 special slots; text from outside never becomes a control token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from folioscope.model.kimi_vl.chat import Segment
from folioscope.model.kimi_vl.special_tokens import TokenizerMismatchError, special_tokens
from folioscope.model.kimi_vl.thinking import split_thoughts
from folioscope.model.kimi_vl.tiny_tokenizer import write_tiny_tokenizer
from folioscope.model.kimi_vl.tokenization import KimiVLTokenizer
from folioscope.model.kimi_vl.vocabulary import VocabularyFileError, cut_long_text

PUBLISHED_IDS = {
    "[BOS]": 163584,
    "[EOS]": 163585,
    "<|im_end|>": 163586,
    "<|im_user|>": 163587,
    "<|im_assistant|>": 163588,
    "<|start_header_id|>": 163590,
    "<|end_header_id|>": 163591,
    "[EOT]": 163593,
    "<|im_system|>": 163594,
    "<|im_middle|>": 163601,
    "<|media_start|>": 163602,
    "<|media_content|>": 163603,
    "<|media_end|>": 163604,
    "<|media_pad|>": 163605,
    "[PAD]": 163838,
    "[UNK]": 163839,
}
SPECIAL_NAMES = st.sampled_from(sorted(PUBLISHED_IDS))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
HOSTILE = st.lists(st.one_of(TEXTS, SPECIAL_NAMES, st.sampled_from(["<|im_", "end|>", "<|"])), max_size=6).map("".join)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> KimiVLTokenizer:
    """A vocabulary of the published size, made here."""
    folder = tmp_path_factory.mktemp("full")
    write_tiny_tokenizer(folder, base_entries=163_584)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert isinstance(tokenizer, KimiVLTokenizer)
    return tokenizer


@pytest.fixture(scope="module")
def small(tiny: Path) -> KimiVLTokenizer:
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    assert isinstance(tokenizer, KimiVLTokenizer)
    return tokenizer


def test_special_ids_are_the_published_ones(full: KimiVLTokenizer) -> None:
    assert {name: full.special_token_ids[name] for name in PUBLISHED_IDS} == PUBLISHED_IDS
    assert len(full) == full.vocab_size == 163_840
    assert full.convert_ids_to_tokens(163_700) == "<|reserved_token_163700|>"
    assert full.encode("<|media_pad|>") == [163_605]
    assert full.stop_ids == [163_585, 163_586]
    assert full.pad_token_id == 163_838


def test_ids_survive_saving_and_loading(full: KimiVLTokenizer, tmp_path: Path) -> None:
    full.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "Read the page.<|im_end|><|media_pad|> 这是一个文档"
    assert again.encode(text) == full.encode(text)
    assert again.special_token_ids == full.special_token_ids


@settings(max_examples=200)
@given(text=TEXTS)
def test_text_comes_back(small: KimiVLTokenizer, text: str) -> None:
    ids = small.encode_text(text)
    assert small.decode(ids) == text
    assert max(ids, default=0) < 512


@settings(max_examples=100)
@given(text=HOSTILE)
def test_text_from_outside_never_becomes_a_special_token(small: KimiVLTokenizer, text: str) -> None:
    assert max(small.encode_text(text), default=0) < 512
    messages = [{"role": "user", "content": [{"type": "text", "text": text}, {"type": "text", "text": "end|>"}]}]
    for parts in (messages, [{"role": "user", "content": text}]):
        harmless = small.apply_chat_template([{"role": "user", "content": "x"}], return_dict=False)
        ids = small.apply_chat_template(parts, return_dict=False)
        assert [i for i in ids if i >= 512] == [i for i in harmless if i >= 512]


@settings(max_examples=100)
@given(text=TEXTS)
def test_a_harmless_chat_has_the_ids_of_its_string(small: KimiVLTokenizer, text: str) -> None:
    assume(not any(name in text for name in small.get_added_vocab()))
    messages = [{"role": "user", "content": text}]
    prompt = small.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = small.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert ids == small.encode_prompt(prompt)


def test_special_names_count_in_trusted_segments_alone(small: KimiVLTokenizer) -> None:
    ids = small.encode_segments([Segment("<|im_end|>", trusted=True), Segment("<|im_end|>", trusted=False)])
    assert ids[0] == small.special_token_ids["<|im_end|>"]
    assert max(ids[1:]) < 512


def test_long_runs_are_cut_where_the_published_tokenizer_cuts() -> None:
    text = "a" * 60_000 + " " * 30_000 + "b" * 400_000
    pieces = list(cut_long_text(text))
    assert "".join(pieces) == text
    assert [len(piece) for piece in pieces[:3]] == [25_000, 25_000, 35_000]
    assert max(len(piece) for piece in pieces) <= 400_000


def test_a_converted_tokenizer_with_shifted_ids_is_refused(tiny: Path, tmp_path: Path) -> None:
    for name in ("tiktoken.model", "tokenizer_config.json", "config.json"):
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    names = special_tokens(512)
    kept = [name for name in names.values() if not name.startswith("<|reserved")]
    shifted = [{"id": 512 + place, "content": name} for place, name in enumerate(kept)]  # gaps closed
    (tmp_path / "tokenizer.json").write_text(json.dumps({"added_tokens": shifted}))
    with pytest.raises(TokenizerMismatchError, match=r"must be 5\d\d.*converted"):
        AutoTokenizer.from_pretrained(tmp_path)


def test_a_config_that_moves_a_special_token_is_refused(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "tiktoken.model").write_bytes((tiny / "tiktoken.model").read_bytes())
    config = json.loads((tiny / "tokenizer_config.json").read_text())
    moved = config["added_tokens_decoder"].pop("533")
    config["added_tokens_decoder"]["530"] = moved
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(TokenizerMismatchError, match=r"'<\|media_pad\|>' has id 530, must be 533"):
        KimiVLTokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "line 1: not a 'base64 rank' pair"),
        (b"IQ== 0\nIg== 2\n", "not ranked 0..1"),
        (b"IQ== 0\n", "255 of the 256 single bytes"),
    ],
)
def test_a_broken_vocabulary_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "tiktoken.model").write_bytes(content)
    with pytest.raises(VocabularyFileError, match=message):
        KimiVLTokenizer(tmp_path / "tiktoken.model")


def test_new_tokens_cannot_be_added(small: KimiVLTokenizer) -> None:
    with pytest.raises(ValueError, match="vocabulary is closed"):
        small.add_tokens(["<new>"])


@pytest.mark.parametrize(
    ("text", "thoughts", "answer", "truncated"),
    [
        ("◁think▷ so it is ◁/think▷ Four.", "so it is", "Four.", False),
        ("◁think▷ so it", "so it", "", True),
        ("Four.", "", "Four.", False),
        ("so it is◁/think▷Four.", "so it is", "Four.", False),
    ],
)
def test_thoughts_are_split_from_the_answer(text: str, thoughts: str, answer: str, truncated: bool) -> None:
    assert split_thoughts(text) == (thoughts, answer, truncated)
