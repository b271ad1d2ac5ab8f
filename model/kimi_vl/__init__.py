"""Kimi-VL in plain PyTorch, inside the interfaces of transformers; no code of a checkpoint directory is ever run.

Importing this package registers it with the Auto classes, so that ``AutoModelForCausalLM.from_pretrained`` and
``AutoProcessor.from_pretrained`` take Kimi-VL checkpoints. From pixels to text: ``rgb`` and ``image_processing`` make
patches, ``vision`` makes features of them, ``chat`` and ``tokenization`` make ids, ``processing`` joins both,
``decoder`` (``attention``, ``experts``) makes logits, ``cache`` remembers, ``modeling`` is the whole, and
``checkpoint`` reads its weights from anywhere.
"""

from __future__ import annotations

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)
from transformers.conversion_mapping import get_checkpoint_conversion_mapping, register_checkpoint_conversion_mapping

from folioscope.model.kimi_vl.configuration import KimiVLConfig, KimiVLTextConfig, KimiVLVisionConfig
from folioscope.model.kimi_vl.image_processing import KimiVLImageProcessor
from folioscope.model.kimi_vl.modeling import KimiVLForConditionalGeneration
from folioscope.model.kimi_vl.processing import KimiVLProcessor
from folioscope.model.kimi_vl.thinking import split_thoughts
from folioscope.model.kimi_vl.tokenization import KimiVLTokenizer, TikTokenTokenizer

__all__ = [
    "KimiVLConfig",
    "KimiVLForConditionalGeneration",
    "KimiVLImageProcessor",
    "KimiVLProcessor",
    "KimiVLTextConfig",
    "KimiVLTokenizer",
    "KimiVLVisionConfig",
    "TikTokenTokenizer",
    "split_thoughts",
]


def _register_model() -> None:
    AutoConfig.register(KimiVLConfig.model_type, KimiVLConfig, exist_ok=True)
    for auto in (AutoModel, AutoModelForCausalLM, AutoModelForImageTextToText):
        auto.register(KimiVLConfig, KimiVLForConditionalGeneration, exist_ok=True)
    # Experts lie apart in checkpoints and stacked in memory, under the same names as in these models of transformers.
    experts = get_checkpoint_conversion_mapping("qwen2_moe")
    register_checkpoint_conversion_mapping(KimiVLConfig.model_type, experts, overwrite=True)


def _register_processing() -> None:
    AutoTokenizer.register(KimiVLConfig, slow_tokenizer_class=TikTokenTokenizer, exist_ok=True)
    AutoImageProcessor.register(KimiVLConfig, slow_image_processor_class=KimiVLImageProcessor, exist_ok=True)
    AutoProcessor.register(KimiVLConfig, KimiVLProcessor, exist_ok=True)


_register_model()
_register_processing()
