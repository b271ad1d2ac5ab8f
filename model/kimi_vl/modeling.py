"""Kimi-VL as users of transformers expect a model: ``from_pretrained``, ``generate``, ``save_pretrained``.

``KimiVLForConditionalGeneration`` joins MoonViT, projector and decoder (spec §3.7): image features stand where the
prompt has image tokens, in order. ``from_pretrained`` checks every tensor's name and shape before it reads one, and
also takes an fsspec URL, from which weights are streamed without touching the disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.modeling_outputs import ModelOutput

from folioscope.model.kimi_vl import checkpoint
from folioscope.model.kimi_vl.cache import LatentCache, PaddedBatch
from folioscope.model.kimi_vl.configuration import KimiVLConfig
from folioscope.model.kimi_vl.decoder import LanguageModel
from folioscope.model.kimi_vl.experts import Experts, Router
from folioscope.model.kimi_vl.special_tokens import EOS, IM_END, NAMED_OFFSETS
from folioscope.model.kimi_vl.vision import Grid, MoonVit, PositionTable, Projector


@dataclass
class KimiVLOutput(ModelOutput):  # type: ignore[misc]
    """``logits`` (batch, tokens kept, vocabulary) in float32; ``image_hidden_states`` (image tokens, width)."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Cache | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    image_hidden_states: Tensor | None = None


class KimiVLPreTrainedModel(PreTrainedModel):  # type: ignore[misc]
    config_class = KimiVLConfig
    base_model_prefix = ""
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    _no_split_modules = ["DecoderLayer", "VisionBlock"]  # noqa: RUF012 (transformers' own attributes)
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _keep_in_fp32_modules_strict = {"e_score_correction_bias"}  # noqa: RUF012
    _keys_to_ignore_on_load_unexpected = [r"rotary_emb\.inv_freq$"]  # noqa: RUF012
    _supports_sdpa = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Router):
            init.normal_(module.weight, std=self.config.text_config.initializer_range)
            init.zeros_(module.e_score_correction_bias)
        elif isinstance(module, Experts):
            init.normal_(module.gate_up_proj, std=self.config.text_config.initializer_range)
            init.normal_(module.down_proj, std=self.config.text_config.initializer_range)
        elif isinstance(module, PositionTable):
            init.normal_(module.weight, std=self.config.vision_config.initializer_range)


class KimiVLForConditionalGeneration(KimiVLPreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """The whole model. Its modules carry the names that the published checkpoint has, experts apart (stacked here)."""

    def __init__(self, config: KimiVLConfig) -> None:
        super().__init__(config)
        self.vision_tower = MoonVit(config.vision_config)
        self.multi_modal_projector = Projector(config.vision_config, config.text_config.hidden_size)
        self.language_model = LanguageModel(config.text_config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.language_model.model.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.language_model.model.embed_tokens = value

    def get_output_embeddings(self) -> nn.Linear:
        return self.language_model.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        self.language_model.lm_head = new_embeddings

    def get_image_features(self, pixel_values: Tensor, image_grid_hws: Tensor | Sequence[Grid]) -> Tensor:
        """Patches (patches, 3, 14, 14) of images (rows, columns) to decoder vectors, (patches / 4, width)."""
        grids = [(int(rows), int(columns)) for rows, columns in image_grid_hws]
        weight = self.vision_tower.patch_embed.proj.weight
        groups = self.vision_tower(pixel_values.to(weight.device, weight.dtype), grids)
        return self.multi_modal_projector(groups)

    def embed(self, input_ids: Tensor, image_features: Tensor | None) -> Tensor:
        """Token embeddings with the features in place of the image tokens, in order; ids of any shape.

        Raises ``ValueError`` where the prompt has more or fewer places than there are features.
        """
        embedded: Tensor = self.get_input_embeddings()(input_ids)
        places = input_ids == self.config.media_placeholder_token_id
        features = embedded.new_zeros(0, embedded.shape[-1]) if image_features is None else image_features
        if int(places.sum()) != len(features):
            raise ValueError(
                f"The prompts have places for {int(places.sum())} image tokens, the images make {len(features)}. "
                "Pass the processor's input_ids, pixel_values and image_grid_hws together, and do not truncate them."
            )
        return embedded.masked_scatter(places.unsqueeze(-1), features.to(embedded)) if len(features) else embedded

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        image_grid_hws: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> KimiVLOutput:
        """One step of transformers' generation, or a whole batch in training.

        ``attention_mask`` is (batch, cached + new), 0 for padding. ``logits_to_keep`` is how many of the last logits
        are wanted, 0 for all. Raises ``ValueError`` where images and their places in the prompts do not agree.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Pass either input_ids or inputs_embeds.")
        if kwargs.get("output_attentions"):
            raise ValueError("Kimi-VL's attention never holds its weights; output_attentions is not supported.")
        features = None
        if pixel_values is not None:
            if image_grid_hws is None:
                raise ValueError("pixel_values needs image_grid_hws, which the processor gives with it.")
            features = self.get_image_features(pixel_values, image_grid_hws)
        known = 0 if past_key_values is None else int(past_key_values.get_seq_length())
        if input_ids is not None:
            # A model may write an image token itself; only a prompt's image tokens stand for images.
            prompt = features is not None or known == 0
            inputs_embeds = self.embed(input_ids, features) if prompt else self.get_input_embeddings()(input_ids)
        if past_key_values is None and (self.config.text_config.use_cache if use_cache is None else use_cache):
            past_key_values = None if self.training else LatentCache(self.config.text_config.num_hidden_layers)

        assert inputs_embeds is not None
        rows, columns = inputs_embeds.shape[:2]
        if position_ids is None:
            position_ids = _positions(rows, columns, known, attention_mask, inputs_embeds.device)
        batch = PaddedBatch(rows, columns, attention_mask, past_key_values)
        states: list[Tensor] | None = [] if output_hidden_states else None
        positions = batch.pack(position_ids.expand(rows, columns))
        hidden = self.language_model.model(batch.pack(inputs_embeds), positions, batch, states)
        hidden = batch.unpack(hidden)
        kept = hidden[:, -logits_to_keep:] if isinstance(logits_to_keep, int) else hidden[:, logits_to_keep]
        logits = self.language_model.lm_head(kept).float()
        return KimiVLOutput(
            loss=None if labels is None else _loss(logits, labels, self.config.ignore_index),
            logits=logits,
            past_key_values=past_key_values,
            hidden_states=None if states is None else (*(batch.unpack(state) for state in states), hidden),
            image_hidden_states=features,
        )

    def prepare_inputs_for_generation(
        self, *args: Any, is_first_iteration: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            *args, is_first_iteration=is_first_iteration, **kwargs
        )
        if "pixel_values" not in inputs:
            inputs.pop("image_grid_hws", None)
        return inputs

    def _prepare_cache_for_generation(self, generation_config: Any, model_kwargs: dict[str, Any], *args: Any) -> None:
        ours = generation_config.use_cache and generation_config.cache_implementation in (None, "dynamic")
        if ours and model_kwargs.get("past_key_values") is None:
            model_kwargs["past_key_values"] = LatentCache(self.config.text_config.num_hidden_layers)
        else:
            super()._prepare_cache_for_generation(generation_config, model_kwargs, *args)

    def _expand_inputs_for_generation(
        self, expand_size: int = 1, is_encoder_decoder: bool = False, input_ids: Tensor | None = None, **kwargs: Any
    ) -> tuple[Tensor | None, dict[str, Any]]:
        """Beams and several answers a prompt: images are repeated prompt by prompt, not patch by patch."""
        pixels, grids = kwargs.pop("pixel_values", None), kwargs.pop("image_grid_hws", None)
        if expand_size > 1 and pixels is not None and input_ids is not None:
            pixels, grids = self._repeat_images(input_ids, pixels, grids, expand_size)
        input_ids, kwargs = super()._expand_inputs_for_generation(expand_size, is_encoder_decoder, input_ids, **kwargs)
        given = {"pixel_values": pixels, "image_grid_hws": grids}
        return input_ids, {**kwargs, **{name: value for name, value in given.items() if value is not None}}

    def _repeat_images(self, input_ids: Tensor, pixels: Tensor, grids: Tensor, times: int) -> tuple[Tensor, Tensor]:
        merged = self.config.vision_config.merge_kernel_size[0] * self.config.vision_config.merge_kernel_size[1]
        wanted = (input_ids == self.config.media_placeholder_token_id).sum(-1).tolist()
        images = list(zip(pixels.split(grids.prod(-1).tolist()), grids, strict=True))
        repeated: list[tuple[Tensor, Tensor]] = []
        for tokens in wanted:
            own: list[tuple[Tensor, Tensor]] = []
            while tokens > 0 and images:
                own.append(images.pop(0))
                tokens -= len(own[-1][0]) // merged
            repeated += own * times
        return torch.cat([patches for patches, _ in repeated]), torch.stack([grid for _, grid in repeated])

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """As in transformers, with two differences: every name and shape is checked first, and URLs are streamed.

        A directory, a model's name on the hub, or an fsspec URL (``s3://bucket/model``), for which ``dtype`` and one
        device in ``device_map`` may be given. Generation stops on ``<|im_end|>`` as well as on what the checkpoint's
        generation_config.json names. Raises :class:`folioscope.model.kimi_vl.checkpoint.CheckpointError`.
        """
        kwargs.pop("trust_remote_code", None)  # no code of a checkpoint is run, whatever is said here
        where = str(pretrained_model_name_or_path)
        if "://" in where:
            model = checkpoint.load(cls, where, **kwargs)
        else:
            checkpoint.check_directory(cls, where, kwargs.get("config"))
            wants_report = kwargs.pop("output_loading_info", False)
            model, report = super().from_pretrained(where, *args, output_loading_info=True, **kwargs)
            checkpoint.check_report(where, report)
            _refuse_offloading(model)
            if wants_report:
                return stop_at_turn_end(model), report
        return stop_at_turn_end(model)


def stop_at_turn_end(model: KimiVLForConditionalGeneration) -> KimiVLForConditionalGeneration:
    """The model with <|im_end|> among the ids that end its generation."""
    settings, text = model.generation_config, model.config.text_config
    ends = _as_list(text.eos_token_id)
    # <|im_end|> stands in the table of special tokens alone: its place is told from that of [EOS].
    turn_ends = [ends[0] - NAMED_OFFSETS[EOS] + NAMED_OFFSETS[IM_END]]
    settings.eos_token_id = list(dict.fromkeys([*_as_list(settings.eos_token_id), *ends, *turn_ends]))
    if settings.pad_token_id is None:
        settings.pad_token_id = text.pad_token_id
    return model


def _as_list(ids: int | list[int] | None) -> list[int]:
    return [] if ids is None else [ids] if isinstance(ids, int) else list(ids)


def _refuse_offloading(model: KimiVLForConditionalGeneration) -> None:
    """Weights that are fetched for each call of a layer would be fetched for each token: hours a page."""
    places = {str(place) for place in getattr(model, "hf_device_map", {}).values()}
    if "disk" in places or ("cpu" in places and len(places) > 1):
        raise ValueError(
            "The model does not fit the devices: parts of it would lie on disk or in host memory. Use more or larger "
            "devices, or device_map='cpu'. In bfloat16 it takes 33 GB."
        )


def _positions(rows: int, columns: int, known: int, mask: Tensor | None, device: torch.device) -> Tensor:
    """(rows, columns): each sequence counts its own tokens from 0; padding counts for nothing."""
    if mask is None:
        return torch.arange(known, known + columns, device=device).expand(rows, columns)
    return ((mask != 0).long().cumsum(-1) - 1).clamp(min=0)[:, -columns:].to(device)


def _loss(logits: Tensor, labels: Tensor, ignore_index: int) -> Tensor:
    """Cross entropy of each token given those before it."""
    wanted = labels[:, 1:].to(logits.device)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), wanted.flatten(), ignore_index=ignore_index)
