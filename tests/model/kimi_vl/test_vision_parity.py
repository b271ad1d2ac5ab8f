"""MoonViT and the projector against transformers' Kimi K2.5, whose encoder is the same for one frame."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers.models.kimi_k25.configuration_kimi_k25 import Kimi_K25VisionConfig
from transformers.models.kimi_k25.modeling_kimi_k25 import Kimi_K25VisionModel

from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.rotary import image_rotation, rotate
from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes, random_model, tiny_config
from folioscope.model.kimi_vl.tiny_tokenizer import tiny_vocabulary
from folioscope.model.kimi_vl.vision import MoonVit

SIZES = TinySizes(vision_hidden_size=144, vision_num_attention_heads=2)  # heads of 72 dimensions, as published
grids_of = st.lists(st.tuples(st.sampled_from([2, 4, 8, 10]), st.sampled_from([2, 6, 8])), min_size=1, max_size=4)


def make(seed: int) -> KimiVLForConditionalGeneration:
    return random_model(KimiVLConfig(**tiny_config(SIZES, tiny_vocabulary(256))), seed)


def patches(grids: list[tuple[int, int]], seed: int) -> Tensor:
    total = sum(rows * columns for rows, columns in grids)
    return torch.randn(total, 3, 14, 14, generator=torch.Generator().manual_seed(seed))


def kimi_k25_of(tower: MoonVit) -> Kimi_K25VisionModel:
    """transformers' encoder with our weights: it rotates half against half, so query and key rows change places."""
    heads, width = 2, 144
    config = Kimi_K25VisionConfig(
        num_attention_heads=heads,
        num_hidden_layers=2,
        hidden_size=width,
        intermediate_size=96,
        pos_emb_height=8,
        pos_emb_width=8,
    )
    config._attn_implementation = "sdpa"
    theirs = Kimi_K25VisionModel(config).eval()

    def halves(rows: Tensor) -> Tensor:
        per_head = rows.view(heads, width // heads, -1)
        return torch.cat([per_head[:, 0::2], per_head[:, 1::2]], dim=1).reshape(rows.shape)

    state = theirs.state_dict()
    ours = tower.state_dict()
    state["patch_embed.proj.weight"] = ours["patch_embed.proj.weight"].reshape(state["patch_embed.proj.weight"].shape)
    state["patch_embed.proj.bias"] = ours["patch_embed.proj.bias"]
    state["patch_embed.pos_emb.position_embeddings"] = ours["patch_embed.pos_emb.weight"]
    for kind in ("weight", "bias"):
        state[f"final_layernorm.{kind}"] = ours[f"encoder.final_layernorm.{kind}"]
        for block in range(2):
            mine, other = f"encoder.blocks.{block}", f"layers.{block}"
            query, key, value = ours[f"{mine}.wqkv.{kind}"].chunk(3)
            state[f"{other}.attn.q_proj.{kind}"], state[f"{other}.attn.k_proj.{kind}"] = halves(query), halves(key)
            state[f"{other}.attn.v_proj.{kind}"] = value
            state[f"{other}.attn.proj.{kind}"] = ours[f"{mine}.wo.{kind}"]
            for here, there in (("norm0", "norm1"), ("norm1", "norm2"), ("mlp.fc0", "mlp.fc1"), ("mlp.fc1", "mlp.fc2")):
                state[f"{other}.{there}.{kind}"] = ours[f"{mine}.{here}.{kind}"]
    theirs.load_state_dict(state, strict=True)
    return theirs


@settings(max_examples=12)
@given(grids=grids_of, seed=st.integers(0, 2**16))
def test_features_are_those_of_kimi_k25(grids: list[tuple[int, int]], seed: int) -> None:
    tower = make(seed).vision_tower
    pixels = patches(grids, seed)
    with torch.no_grad():
        ours = tower(pixels, grids)
        theirs = kimi_k25_of(tower)(pixels, grid_thw=torch.tensor([[1, *grid] for grid in grids])).pooler_output
    torch.testing.assert_close(ours, theirs.view_as(ours), atol=1e-4, rtol=1e-4)


@settings(max_examples=12)
@given(grids=grids_of, seed=st.integers(0, 2**16))
def test_packed_images_are_images_one_at_a_time(grids: list[tuple[int, int]], seed: int) -> None:
    model = make(seed)
    pixels = patches(grids, seed)
    with torch.no_grad():
        packed = model.get_image_features(pixels, grids)
        pieces = pixels.split([rows * columns for rows, columns in grids])
        alone = [model.get_image_features(piece, [grid]) for piece, grid in zip(pieces, grids, strict=True)]
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_the_rotation_turns_by_the_column_first() -> None:
    rotation = image_rotation([(4, 6)], 72, torch.device("cpu"))
    place = 3 * 6 + 5  # row 3, column 5
    angles = rotation[place].angle()[:4]
    wanted = torch.tensor([5.0, 3.0, 5 * 10_000 ** (-4 / 72), 3 * 10_000 ** (-4 / 72)])
    torch.testing.assert_close(angles.remainder(2 * torch.pi), wanted, atol=1e-5, rtol=0)


def test_rotation_keeps_lengths_and_dtype() -> None:
    vectors = torch.randn(24, 2, 72, dtype=torch.bfloat16)
    turned = rotate(vectors, image_rotation([(4, 6)], 72, torch.device("cpu")))
    assert turned.dtype == torch.bfloat16
    torch.testing.assert_close(turned.float().norm(dim=-1), vectors.float().norm(dim=-1), atol=0.05, rtol=0.02)


def test_neighbours_are_merged_two_by_two() -> None:
    tower = make(0).vision_tower
    numbered = torch.arange(24.0)[:, None]
    groups = tower.merge_neighbours(numbered, [(4, 6)]).squeeze(-1).int().tolist()
    assert groups[:4] == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11], [12, 13, 18, 19]]


def test_a_position_table_of_the_same_size_is_taken_as_it_is() -> None:
    table = make(0).vision_tower.patch_embed.pos_emb
    assert torch.equal(table([(8, 8)]), table.weight.flatten(0, 1))
    small = F.interpolate(table.weight.permute(2, 0, 1)[None], size=(4, 6), mode="bicubic")[0]
    torch.testing.assert_close(table([(4, 6)]), small.permute(1, 2, 0).reshape(24, -1))


@pytest.mark.parametrize(
    ("grids", "message"), [([(4, 6), (2, 2)], "covers 28 patches"), ([(3, 8)], "cannot be merged")]
)
def test_grids_that_do_not_fit_are_refused(grids: list[tuple[int, int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(0).vision_tower(torch.zeros(24, 3, 14, 14), grids)
