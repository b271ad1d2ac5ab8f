"""The decoder against transformers' DeepSeek-V3, an independent implementation of the same form."""

from __future__ import annotations

from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import DeepseekV3Config
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3ForCausalLM

from folioscope.model.kimi_vl.attention import LatentAttention, causal_mask
from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes, random_model, tiny_config
from folioscope.model.kimi_vl.tiny_tokenizer import tiny_vocabulary

VOCABULARY = tiny_vocabulary(256)
CLOSE = 1e-4  # on logits of size near 10


def make(sizes: TinySizes, seed: int) -> KimiVLForConditionalGeneration:
    return random_model(KimiVLConfig(**tiny_config(sizes, VOCABULARY)), seed)


def deepseek_of(model: KimiVLForConditionalGeneration) -> DeepseekV3ForCausalLM:
    """transformers' decoder with the weights of ours."""
    text = model.config.text_config
    shared = (
        "vocab_size hidden_size intermediate_size moe_intermediate_size num_hidden_layers num_attention_heads "
        "num_key_value_heads n_shared_experts n_routed_experts routed_scaling_factor kv_lora_rank q_lora_rank "
        "qk_rope_head_dim v_head_dim qk_nope_head_dim n_group topk_group num_experts_per_tok first_k_dense_replace "
        "norm_topk_prob max_position_embeddings rms_norm_eps"
    ).split()
    config = DeepseekV3Config(
        **{name: getattr(text, name) for name in shared},
        rope_parameters={"rope_type": "default", "rope_theta": text.rope_theta},
        rope_interleave=True,
        tie_word_embeddings=False,
    )
    theirs = DeepseekV3ForCausalLM(config).eval()
    theirs.load_state_dict(model.language_model.state_dict(), strict=True)
    return theirs


@st.composite
def sizes_of(draw: st.DrawFn) -> TinySizes:
    experts = draw(st.sampled_from([4, 8]))
    return TinySizes(
        hidden_size=draw(st.sampled_from([32, 64])),
        moe_intermediate_size=draw(st.sampled_from([16, 40])),
        num_hidden_layers=draw(st.integers(1, 3)),
        num_attention_heads=draw(st.sampled_from([1, 3, 4])),
        n_routed_experts=experts,
        n_shared_experts=draw(st.integers(1, 2)),
        num_experts_per_tok=draw(st.integers(1, experts)),
        kv_lora_rank=draw(st.sampled_from([16, 64])),
        qk_nope_head_dim=draw(st.sampled_from([12, 32])),
        qk_rope_head_dim=draw(st.sampled_from([8, 16])),
        v_head_dim=draw(st.sampled_from([8, 20, 48])),
    )


# Ordinary ids alone: a prompt with an image token but no image is an error.
def ids(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randint(0, 256, (rows, columns), generator=torch.Generator().manual_seed(seed))


@settings(max_examples=15)
@given(sizes=sizes_of(), seed=st.integers(0, 2**16), length=st.integers(1, 70))
def test_logits_are_those_of_deepseek_v3(sizes: TinySizes, seed: int, length: int) -> None:
    model = make(sizes, seed)
    prompt = ids(2, length, seed)
    with torch.no_grad():
        ours, theirs = model(prompt).logits, deepseek_of(model)(prompt).logits
    assert theirs.abs().max() > 1
    torch.testing.assert_close(ours, theirs, atol=CLOSE, rtol=CLOSE)


@settings(max_examples=15)
@given(sizes=sizes_of(), seed=st.integers(0, 2**16), cuts=st.lists(st.integers(1, 30), min_size=2, max_size=4))
def test_a_prompt_in_pieces_gives_what_it_gives_whole(sizes: TinySizes, seed: int, cuts: list[int]) -> None:
    model = make(sizes, seed)
    prompt = ids(2, sum(cuts) + 3, seed)
    with torch.no_grad():
        whole = model(prompt).logits
        known, pieces = None, []
        for piece in prompt.split([*cuts, 1, 1, 1], dim=1):
            out = model(piece, past_key_values=known, use_cache=True)
            known = out.past_key_values
            pieces.append(out.logits)
    torch.testing.assert_close(torch.cat(pieces, 1), whole, atol=CLOSE, rtol=CLOSE)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**16),
    lengths=st.lists(st.integers(1, 20), min_size=2, max_size=4),
    left=st.booleans(),
)
def test_a_padded_row_gives_what_it_gives_alone(seed: int, lengths: list[int], left: bool) -> None:
    model = make(TinySizes(), seed)
    width = max(lengths)
    prompt = ids(len(lengths), width, seed)
    mask = torch.zeros_like(prompt)
    spans = [slice(width - n, width) if left else slice(0, n) for n in lengths]
    for row, span in enumerate(spans):
        mask[row, span] = 1
    with torch.no_grad():
        padded = model(prompt, attention_mask=mask).logits
        for row, span in enumerate(spans):
            alone = model(prompt[row : row + 1, span]).logits[0]
            torch.testing.assert_close(padded[row, span], alone, atol=CLOSE, rtol=CLOSE)


def test_generation_in_a_padded_batch_is_generation_alone() -> None:
    model = make(TinySizes(), seed=3)
    prompt, mask = ids(3, 12, seed=5), torch.ones(3, 12, dtype=torch.long)
    mask[0, :7], mask[2, :3] = 0, 0
    greedy = {"max_new_tokens": 10, "do_sample": False}
    batch = model.generate(prompt, attention_mask=mask, **greedy)
    for row, skip in enumerate((7, 0, 3)):
        alone = model.generate(prompt[row : row + 1, skip:], **greedy)
        assert batch[row, 12:].tolist() == alone[0, 12 - skip :].tolist()


def test_beams_reorder_the_cache() -> None:
    model = make(TinySizes(), seed=4)
    prompt = ids(2, 9, seed=1)
    beams = {"max_new_tokens": 8, "num_beams": 3, "do_sample": False}
    beams["suppress_tokens"] = [VOCABULARY.media_placeholder_token_id]  # without a cache it would be read as prompt
    with_cache = model.generate(prompt, **beams)
    without = model.generate(prompt, **beams, use_cache=False)
    assert with_cache.tolist() == without.tolist()


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**16),
    batch=st.integers(1, 3),
    tokens=st.integers(1, 40),
    new=st.integers(1, 40),
    most_expanded=st.sampled_from([1, 100, 10_000]),
)
def test_absorbed_attention_is_expanded_attention(
    seed: int, batch: int, tokens: int, new: int, most_expanded: int
) -> None:
    """Whether all heads are expanded at once, or a few at a time."""
    new = min(new, tokens)
    attention: LatentAttention = make(TinySizes(), seed).language_model.model.layers[0].self_attn
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(batch, new, 4, 40, generator=generator)
    latent = torch.randn(batch, tokens, 48, generator=generator)
    with torch.no_grad():
        with patch("folioscope.model.kimi_vl.attention.MOST_EXPANDED", most_expanded):
            expanded = attention.attend_expanded(query, latent)
        absorbed = attention.attend_absorbed(query, latent, causal_mask(new, tokens, query.device))
    torch.testing.assert_close(absorbed, expanded, atol=1e-5, rtol=1e-4)


def test_the_published_sizes_break_even_at_170_queries() -> None:
    with torch.device("meta"):
        attention = LatentAttention(KimiVLConfig().text_config, 0)
    assert int(attention.break_even) == 170


def test_the_cache_holds_the_latent_alone() -> None:
    model = make(TinySizes(), seed=0)
    out = model(ids(2, 11, seed=0), use_cache=True)
    for layer in out.past_key_values.layers:
        assert tuple(layer.keys.shape) == (2, 1, 11, 32 + 16)
        assert layer.values.numel() == 0


def test_a_cache_of_fixed_length_is_refused() -> None:
    model = make(TinySizes(), seed=0)
    with pytest.raises(TypeError, match="cache_implementation"):
        model.generate(ids(1, 4, seed=0), max_new_tokens=2, cache_implementation="static")
