"""What is told from a checkpoint before it is loaded: its variant, its form, and what cannot be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import fsspec
import pytest

from folioscope.model.choice import ChoiceError, ModelChoice
from folioscope.model.kimi.description import describe_kimi
from folioscope.model.kimi.quantized import UnloadableError, format_of, refuse_unloadable
from folioscope.model.kimi.variants import INSTRUCT, THINKING, behaviour_of, variant_of
from folioscope.model.kimi_vl.tiny_checkpoint import write_tiny_checkpoint
from folioscope.model.load import UnknownModelError, describe_replica


def variant(folder: Path) -> str:
    filesystem, root = fsspec.url_to_fs(str(folder))
    return variant_of(filesystem, root, str(folder))


def test_the_variant_is_told_from_the_checkpoint_and_never_from_a_parent(tmp_path: Path) -> None:
    plain = tmp_path / "thinking-models" / "kimi"
    write_tiny_checkpoint(plain)
    assert variant(plain) == "instruct"
    (plain / "chat_template.jinja").write_text("{{ '<|im_assistant|>assistant<|im_middle|>◁think▷' }}")
    assert variant(plain) == "thinking"
    large = tmp_path / "kimi"
    write_tiny_checkpoint(large, in_token_limit=16_384)
    assert variant(large) == "thinking"
    named = tmp_path / "Kimi-VL-A3B-Thinking"
    write_tiny_checkpoint(named)
    assert variant(named) == "thinking"


def test_temperatures_are_those_of_the_models_card() -> None:
    assert {behaviour_of("instruct").read.temperature, INSTRUCT.answer.temperature} == {0.2}
    assert {behaviour_of("thinking").read.temperature, THINKING.summary.temperature} == {0.8}


def test_a_variant_that_is_given_decides(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path)
    told, given = (describe_replica(ModelChoice(str(tmp_path), variant=v)) for v in (None, "thinking"))  # type: ignore[arg-type]
    assert "temperature=0.2" in told.settings["read"]["sampling"]
    assert "temperature=0.8" in given.settings["read"]["sampling"]


def quantized(folder: Path, **settings: Any) -> str:
    write_tiny_checkpoint(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"quantization_config": settings}))
    return str(folder)


@pytest.mark.parametrize("form", ["fp8", "awq", "gptq", "compressed-tensors"])
def test_a_quantised_checkpoint_is_refused_by_our_engine_and_goes_to_vllm(tmp_path: Path, form: str) -> None:
    name = quantized(tmp_path, quant_method=form)
    with pytest.raises(UnknownModelError, match=rf"is quantised \({form}\).*--engine vllm"):
        describe_replica(ModelChoice(name, "torch"))
    assert describe_kimi(ModelChoice(name, "vllm")).tasks == ("read", "summarize", "answer")
    filesystem, root = fsspec.url_to_fs(name)
    assert format_of(filesystem, root) == form


def test_forms_that_nothing_here_loads_are_named(tmp_path: Path) -> None:
    (tmp_path / "kimi-vl-q4.gguf").write_bytes(b"GGUF")
    for name in (str(tmp_path), str(tmp_path / "kimi-vl-q4.gguf")):
        filesystem, root = fsspec.url_to_fs(name)
        with pytest.raises(UnloadableError, match=r"GGUF.*llama-server"):
            refuse_unloadable("vllm", format_of(filesystem, root), name)
    with pytest.raises(UnloadableError, match="quantised as hqq"):
        refuse_unloadable("vllm", "hqq", "kimi")


def test_a_part_of_a_gpu_is_refused_for_a_large_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tiny_checkpoint(tmp_path)
    monkeypatch.setattr("folioscope.model.kimi.description.LARGE_BYTES", 0)
    with pytest.raises(UnknownModelError, match=r"--gpus-per-replica 0.5: two such replicas"):
        describe_replica(ModelChoice(str(tmp_path), gpus=0.5))
    assert describe_replica(ModelChoice(str(tmp_path), gpus=2)).num_gpus == 1.0


def test_servers_of_one_run_serve_one_model() -> None:
    both = ModelChoice("https://a.example.com/v1#one https://b.example.com/v1#one")
    assert describe_replica(both).name == "openai:one"
    assert describe_replica(both).num_gpus == 0
    with pytest.raises(UnknownModelError, match="one model, under one name"):
        describe_replica(ModelChoice("https://a.example.com/v1#one https://b.example.com/v1#two"))
    with pytest.raises(ChoiceError, match="no such dialect"):
        raise describe_error(ModelChoice("https://a.example.com/v1#one", dialect="klingon"))


def describe_error(choice: ModelChoice) -> BaseException:
    with pytest.raises(UnknownModelError) as raised:
        describe_replica(choice)
    assert raised.value.__cause__ is not None
    return raised.value.__cause__


def test_a_model_that_only_reads_says_so() -> None:
    assert describe_replica(ModelChoice("https://a.example.com/v1#olmOCR-2")).tasks == ("read",)
    assert describe_replica(ModelChoice("https://a.example.com/v1#kimi-k2.6")).tasks == ("read", "summarize", "answer")
