"""Packed weights: the same results to rounding, whatever the number of tokens, and no parameter touched."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from folioscope.model.kimi_vl import packed as packing
from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.experts import MixtureOfExperts
from folioscope.model.kimi_vl.packed import can_pack, packed
from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes, random_model, tiny_config
from folioscope.model.kimi_vl.tiny_tokenizer import tiny_vocabulary


@pytest.fixture(scope="module")
def language() -> nn.Module:
    module: nn.Module = random_model(
        KimiVLConfig(**tiny_config(TinySizes(), tiny_vocabulary(512))), seed=3
    ).language_model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "LEAST_BYTES", 0)
        possible = can_pack(module)
    if not possible:
        pytest.skip("no packing on this CPU")
    return module


@torch.no_grad()
@pytest.mark.parametrize("tokens", [1, 2, 16, 200])
def test_packed_layers_compute_the_same(language: nn.Module, tokens: int) -> None:
    config = KimiVLConfig(**tiny_config(TinySizes(), tiny_vocabulary(512))).text_config
    hidden = torch.randn(tokens, config.hidden_size, generator=torch.Generator().manual_seed(tokens))
    before = {name: value.clone() for name, value in language.state_dict().items()}
    layers = [module for module in language.modules() if isinstance(module, MixtureOfExperts)]
    for layer in (*layers, language.lm_head):
        torch.testing.assert_close(packed(layer)(hidden), layer(hidden), rtol=1e-4, atol=1e-5)
    assert layers
    after = language.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_what_is_small_or_large_or_not_float32_is_left_as_it_is(
    language: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not can_pack(language)
    monkeypatch.setattr(packing, "LEAST_BYTES", 0)
    assert can_pack(language)
    assert not can_pack(nn.Linear(4, 4, bias=False).to(torch.bfloat16))
    monkeypatch.setattr(packing, "MOST_BYTES", 1000)
    assert not can_pack(language)
