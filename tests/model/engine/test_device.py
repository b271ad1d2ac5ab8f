"""What our engine refuses on a GPU before it loads anything, and how large it makes its cache: all but the GPU itself."""

from __future__ import annotations

import pytest

from folioscope.model.engine.device import Gpu, UnfitDeviceError, cache_tokens, check_gpu, full_step, measure_step
from folioscope.model.engine.torch_engine import EngineSettings
from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.tiny_checkpoint import TinySizes, random_model, tiny_config
from folioscope.model.kimi_vl.tiny_tokenizer import tiny_vocabulary

H100 = Gpu("H100", (9, 0), int(79e9), int(80e9))
WEIGHTS, TOKEN = 32_815_000_000, 31_104


def test_a_fitting_gpu_is_taken() -> None:
    check_gpu(H100, WEIGHTS, TOKEN)


@pytest.mark.parametrize(
    ("gpu", "said"),
    [
        (Gpu("A100", (8, 0), int(79e9), int(80e9)), "compute capability 8.0.*--engine vllm"),
        (Gpu("RTX 5090", (12, 0), int(31e9), int(32e9)), "compute capability 12.0"),
        (Gpu("H100", (9, 0), int(40e9), int(80e9)), "held by another process.*--gpus-per-replica 1"),
        (Gpu("H100 MIG", (9, 0), int(19.8e9), int(20e9)), "do not fit into the 19.8 GB.*quantised"),
    ],
)
def test_what_cannot_run_is_refused_with_what_can(gpu: Gpu, said: str) -> None:
    with pytest.raises(UnfitDeviceError, match=said):
        check_gpu(gpu, WEIGHTS, TOKEN)


def test_the_cache_is_what_a_measured_step_leaves() -> None:
    loaded = Gpu("H100", (9, 0), int(46e9), int(80e9))
    assert cache_tokens(loaded, int(2e9), TOKEN) == int((46e9 - 2e9 - 1.6e9) // TOKEN)
    assert cache_tokens(loaded, int(99e9), TOKEN) == 0


def test_the_measured_step_fills_the_budgets_and_runs() -> None:
    settings = EngineSettings(tokens_per_step=2200, patches_per_step=8192)
    asked = full_step(settings, media_id=500)
    assert sum(len(request.ids) for request in asked) == 2200
    assert sum(picture.rows * picture.columns for request in asked for picture in request.pictures) == 8192
    model = random_model(KimiVLConfig(**tiny_config(TinySizes(), tiny_vocabulary(512))), seed=1)
    assert measure_step(model, EngineSettings(tokens_per_step=1100, patches_per_step=4096)) == 0
