"""Names and shapes of the published model, and loading: whole, truncated, odd, from a directory and from a URL."""

from __future__ import annotations

import json
from functools import partial
from math import prod
from pathlib import Path

import fsspec
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from folioscope.model.kimi_vl import KimiVLConfig, KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.checkpoint import CheckpointError, expected_shapes, load
from folioscope.model.kimi_vl.configuration import ConfigurationError
from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes, write_tiny_checkpoint

# The published checkpoint, spec section 2: pattern -> (how many, shape). {L}: layers, {E}: experts.
LANGUAGE = "language_model.model"
PUBLISHED: dict[str, tuple[int, ...]] = {
    f"{LANGUAGE}.embed_tokens.weight": (163840, 2048),
    "language_model.lm_head.weight": (163840, 2048),
    f"{LANGUAGE}.norm.weight": (2048,),
    **{f"{LANGUAGE}.layers.0.mlp.{kind}_proj.weight": (11264, 2048) for kind in ("gate", "up")},
    f"{LANGUAGE}.layers.0.mlp.down_proj.weight": (2048, 11264),
    "vision_tower.patch_embed.proj.weight": (1152, 3, 14, 14),
    "vision_tower.patch_embed.proj.bias": (1152,),
    "vision_tower.patch_embed.pos_emb.weight": (64, 64, 1152),
    **{f"vision_tower.encoder.final_layernorm.{kind}": (1152,) for kind in ("weight", "bias")},
    **{f"multi_modal_projector.pre_norm.{kind}": (1152,) for kind in ("weight", "bias")},
    "multi_modal_projector.linear_1.weight": (4608, 4608),
    "multi_modal_projector.linear_1.bias": (4608,),
    "multi_modal_projector.linear_2.weight": (2048, 4608),
    "multi_modal_projector.linear_2.bias": (2048,),
}
PER_LAYER: dict[str, tuple[int, ...]] = {
    "input_layernorm.weight": (2048,),
    "post_attention_layernorm.weight": (2048,),
    "self_attn.q_proj.weight": (3072, 2048),
    "self_attn.kv_a_proj_with_mqa.weight": (576, 2048),
    "self_attn.kv_a_layernorm.weight": (512,),
    "self_attn.kv_b_proj.weight": (4096, 512),
    "self_attn.o_proj.weight": (2048, 2048),
}
PER_MOE_LAYER: dict[str, tuple[int, ...]] = {
    "gate.weight": (64, 2048),
    "gate.e_score_correction_bias": (64,),
    "shared_experts.gate_proj.weight": (2816, 2048),
    "shared_experts.up_proj.weight": (2816, 2048),
    "shared_experts.down_proj.weight": (2048, 2816),
    **{f"experts.{e}.{kind}_proj.weight": (1408, 2048) for e in range(64) for kind in ("gate", "up")},
    **{f"experts.{e}.down_proj.weight": (2048, 1408) for e in range(64)},
}
PER_BLOCK: dict[str, tuple[int, ...]] = {
    **{f"norm{i}.{kind}": (1152,) for i in (0, 1) for kind in ("weight", "bias")},
    "wqkv.weight": (3456, 1152),
    "wqkv.bias": (3456,),
    "wo.weight": (1152, 1152),
    "wo.bias": (1152,),
    "mlp.fc0.weight": (4304, 1152),
    "mlp.fc0.bias": (4304,),
    "mlp.fc1.weight": (1152, 4304),
    "mlp.fc1.bias": (1152,),
}


def published() -> dict[str, tuple[int, ...]]:
    layers = {f"{LANGUAGE}.layers.{n}.{name}": shape for n in range(27) for name, shape in PER_LAYER.items()}
    moe = {f"{LANGUAGE}.layers.{n}.mlp.{name}": shape for n in range(1, 27) for name, shape in PER_MOE_LAYER.items()}
    blocks = {f"vision_tower.encoder.blocks.{n}.{name}": shape for n in range(27) for name, shape in PER_BLOCK.items()}
    return {**PUBLISHED, **layers, **moe, **blocks}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    write_tiny_checkpoint(folder, TinySizes(num_hidden_layers=2, vision_num_hidden_layers=1))
    return folder


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    for path in checkpoint.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def assert_same(left: torch.nn.Module, right: torch.nn.Module) -> None:
    ours, theirs = left.state_dict(), right.state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def change_shard(folder: Path, tensors: dict[str, Tensor], drop: str | None = None) -> str:
    """Write the first shard anew with more tensors, or one fewer; returns the shard's name."""
    shard = sorted(folder.glob("*.safetensors"))[0]
    kept = {name: tensor for name, tensor in load_file(shard).items() if name != drop}
    save_file({**kept, **tensors}, shard)
    return shard.name


def test_names_shapes_and_parameters_are_those_published() -> None:
    shapes = expected_shapes(KimiVLForConditionalGeneration, KimiVLConfig())
    assert shapes == published()
    assert sum(prod(shape) for shape in shapes.values()) == 16_407_656_048


def test_three_ways_to_load_give_the_same_model(checkpoint: Path) -> None:
    streamed = load(KimiVLForConditionalGeneration, checkpoint)
    assert_same(AutoModelForCausalLM.from_pretrained(checkpoint), streamed)
    memory = fsspec.filesystem("memory")
    for path in checkpoint.iterdir():
        memory.pipe_file(f"/kimi/{path.name}", path.read_bytes())
    assert_same(KimiVLForConditionalGeneration.from_pretrained("memory://kimi"), streamed)


def test_saving_writes_the_published_names(checkpoint: Path, tmp_path: Path) -> None:
    model = load(KimiVLForConditionalGeneration, checkpoint)
    model.save_pretrained(tmp_path)
    assert (
        load_file(tmp_path / "model.safetensors").keys()
        == expected_shapes(KimiVLForConditionalGeneration, model.config).keys()
    )
    assert_same(AutoModelForCausalLM.from_pretrained(tmp_path), model)


def test_dtype_is_kept_or_taken_and_router_corrections_stay_wide(checkpoint: Path) -> None:
    assert load(KimiVLForConditionalGeneration, checkpoint).dtype == torch.float32
    for model in (
        load(KimiVLForConditionalGeneration, checkpoint, dtype="bfloat16"),
        AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.bfloat16),
    ):
        assert model.language_model.lm_head.weight.dtype == torch.bfloat16
        assert model.language_model.model.layers[1].mlp.gate.e_score_correction_bias.dtype == torch.float32
        out = model(torch.tensor([[1, 2, 3]]))
        assert out.logits.dtype == torch.float32
        assert torch.isfinite(out.logits).all()


@pytest.mark.parametrize("device_map", ["cpu", "auto", {"": "cpu"}])
def test_a_device_map_is_followed(checkpoint: Path, device_map: object) -> None:
    model = AutoModelForCausalLM.from_pretrained(checkpoint, device_map=device_map)
    assert model.device.type == ("cuda" if device_map == "auto" and torch.cuda.is_available() else "cpu")
    assert_same(model.cpu(), load(KimiVLForConditionalGeneration, checkpoint, device_map="cpu"))


def test_offloading_is_refused_with_what_to_do(checkpoint: Path, tmp_path: Path) -> None:
    parts = ("vision_tower", "multi_modal_projector", "language_model.lm_head", "language_model.model")
    device_map = {**dict.fromkeys(parts, "cpu"), "multi_modal_projector": "disk"}
    with pytest.raises(ValueError, match="does not fit the devices"):
        AutoModelForCausalLM.from_pretrained(checkpoint, device_map=device_map, offload_folder=tmp_path)


def test_generation_stops_at_the_end_of_a_turn(checkpoint: Path) -> None:
    for model in (
        AutoModelForCausalLM.from_pretrained(checkpoint),
        KimiVLForConditionalGeneration.from_pretrained(checkpoint),
    ):
        assert model.generation_config.eos_token_id == [513, 514]


def test_the_stray_buffer_is_passed_over(copy: Path) -> None:
    change_shard(copy, {"language_model.model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8)})
    load(KimiVLForConditionalGeneration, copy)
    AutoModelForCausalLM.from_pretrained(copy)


@pytest.mark.parametrize("read", [partial(load, KimiVLForConditionalGeneration), AutoModelForCausalLM.from_pretrained])
def test_anything_missing_or_odd_is_refused_by_name(copy: Path, read: object) -> None:
    assert callable(read)
    gone, odd = "vision_tower.patch_embed.proj.bias", "vision_tower.patch_embed.proj.weight"
    change_shard(copy, {odd: torch.zeros(1, 2), "extra.weight": torch.zeros(2)}, drop=gone)
    with pytest.raises(CheckpointError) as refusal:
        read(copy)
    for part in (f"1 tensors missing: {gone}", "does not have: extra.weight", f"{odd} is [1, 2], must be"):
        assert part in str(refusal.value)


def test_a_truncated_shard_is_named(copy: Path) -> None:
    shard = sorted(copy.glob("*.safetensors"))[1]
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=rf"{shard.name} is not a whole safetensors file.*Copy it again"):
        load(KimiVLForConditionalGeneration, copy)
    shard.unlink()
    with pytest.raises(CheckpointError, match=f"{shard.name} is named by"):
        load(KimiVLForConditionalGeneration, copy)


def test_a_directory_without_weights_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="no checkpoint directory"):
        load(KimiVLForConditionalGeneration, tmp_path)


@pytest.mark.parametrize(
    ("name", "value"), [("q_lora_rank", 64), ("n_group", 2), ("scoring_func", "softmax"), ("hidden_size", 60)]
)
def test_a_decoder_of_another_form_is_refused(copy: Path, name: str, value: object) -> None:
    settings = json.loads((copy / "config.json").read_text())
    settings["text_config"][name] = value
    (copy / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigurationError, match=name):
        load(KimiVLForConditionalGeneration, copy)
