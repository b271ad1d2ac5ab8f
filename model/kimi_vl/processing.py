"""Kimi-VL's processor: messages or a prompt string, and images, to what the model takes.

    processor.apply_chat_template(messages, add_generation_prompt=True)            -> the prompt, a string
    processor(images=images, text=prompt, return_tensors="pt", padding=True)       -> input_ids, attention_mask,
                                                                                      pixel_values, image_grid_hws

That is the published usage, and in its string a special token's name *is* the special token, whoever wrote it. For
text from outside go straight from messages to tensors, where message text stays text:

    processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=True,
                                  return_tensors="pt", processor_kwargs={"images": images})

Costs what the image processor and the tokenizer cost; nothing is kept between calls.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import ProcessorMixin
from transformers.feature_extraction_utils import BatchFeature

from folioscope.model.kimi_vl import chat
from folioscope.model.kimi_vl.image_processing import KimiVLImageProcessor, flat_images
from folioscope.model.kimi_vl.remote_settings import fetched_settings, is_url
from folioscope.model.kimi_vl.special_tokens import MEDIA_PAD, TokenizerMismatchError
from folioscope.model.kimi_vl.tokenization import KimiVLTokenizer, is_batch

# A call's arguments go to the part that knows them. Any other is refused: ignoring it would answer another question.
_TEXT_SETTINGS = frozenset(
    {"padding", "padding_side", "pad_to_multiple_of", "truncation", "max_length", "return_attention_mask"}
)
_IMAGE_SETTINGS = frozenset({"in_token_limit", "input_data_format"})
_COMMON_SETTINGS = frozenset({"return_tensors", "return_mm_token_type_ids"})
# What transformers may pass that changes nothing here: no token is ever added around a prompt.
_WITHOUT_EFFECT = frozenset({"add_special_tokens", "verbose"})
_GROUPS = ("common_kwargs", "text_kwargs", "images_kwargs")


class ImageCountError(ValueError):
    """The images given are not as many as the prompts have places for, or a place was cut off."""


class KimiVLProcessor(ProcessorMixin):  # type: ignore[misc]
    """See the module. Batches are padded on the left unless a call asks for the other side."""

    def __init__(
        self,
        image_processor: KimiVLImageProcessor | None = None,
        tokenizer: KimiVLTokenizer | None = None,
        chat_template: str | dict[str, str] | None = None,
    ) -> None:
        if not isinstance(tokenizer, KimiVLTokenizer):
            raise TokenizerMismatchError(
                f"The checkpoint's tokenizer loads as {type(tokenizer).__name__}, not as Kimi-VL's: its ids are not to "
                "be trusted. Put the published tiktoken.model and tokenizer_config.json into the directory."
            )
        if chat_template is None:
            chat_template = tokenizer.chat_template
        super().__init__(image_processor, tokenizer, chat_template=chat_template)
        self.image_token = MEDIA_PAD
        self.image_token_id = tokenizer.special_token_ids[MEDIA_PAD]
        if (difference := compare_template(tokenizer, chat_template)) is not None:
            message = f"This checkpoint's chat template is used, and differs from the one of Kimi-VL: {difference}"
            warnings.warn(message, stacklevel=2)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, **kwargs: Any) -> KimiVLProcessor:
        """Also from an fsspec URL (``s3://bucket/checkpoint``), whose settings files are fetched while this reads."""
        location = pretrained_model_name_or_path
        if not is_url(location):
            return super().from_pretrained(location, **kwargs)
        with fetched_settings(location) as folder:
            processor = super().from_pretrained(folder, **kwargs)
        processor.tokenizer.name_or_path = location
        return processor

    @classmethod
    def _load_tokenizer_from_pretrained(
        cls, sub_processor_type: str, pretrained_model_name_or_path: Any, subfolder: str = "", **kwargs: Any
    ) -> KimiVLTokenizer:
        # Not by the name in tokenizer_config.json: in a converted directory that is transformers' own class, which
        # would make up ids from a tokenizer.json.
        return KimiVLTokenizer.from_pretrained(pretrained_model_name_or_path, subfolder=subfolder, **kwargs)

    def save_pretrained(self, save_directory: Any, push_to_hub: bool = False, **kwargs: Any) -> list[str]:
        """Beside transformers' own files also preprocessor_config.json, which other readers of Kimi-VL look for."""
        files = super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)
        return [*files, *self.image_processor.save_pretrained(save_directory)]

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        videos: Any = None,
        audio: Any = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Prompts (strings made by the chat template) and all their images, in order, to model inputs.

        ``text`` is one prompt or a list of them; ``images`` one image or any nesting of lists, as many as the prompts
        hold ``<|media_pad|>``. Special tokens' names in ``text`` are special tokens. Raises :class:`ImageCountError`
        where images and places differ in number or truncation cuts an image's tokens, ``ImageInputError`` for an
        image that cannot be used.
        """
        if videos is not None or audio is not None:
            raise ValueError("Kimi-VL takes images and text. For a video pass its frames as images, in order.")
        prompts = None if text is None else [text] if isinstance(text, str) else list(text)
        if prompts is not None and not all(isinstance(prompt, str) for prompt in prompts):
            raise TypeError("text is a string or a list of strings.")
        ids = None if prompts is None else [self.tokenizer.encode_prompt(prompt) for prompt in prompts]
        return self._assemble(ids, images, kwargs)

    def apply_chat_template(
        self,
        conversation: Any,
        chat_template: str | None = None,
        *,
        tokenize: bool = False,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
        return_dict: bool = False,
        return_tensors: str | None = "auto",
        processor_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """The prompt as a string; with ``tokenize=True`` the ids, and with ``return_dict=True`` all model inputs.

        With ``tokenize=True`` text in messages never becomes a special token. Images come from the messages' image
        items (an image, a path or a URL, opened with the rights of this process) unless ``processor_kwargs`` holds
        ``images``. Its other entries go where those of a call of the processor go.
        """
        if not tokenize:
            return super().apply_chat_template(
                conversation,
                chat_template,
                add_generation_prompt=add_generation_prompt,
                continue_final_message=continue_final_message,
                return_tensors=return_tensors,
                **kwargs,
            )
        kwargs.pop("sanitize_control_tokens", None)  # always so here
        if kwargs.pop("tools", None) or kwargs.pop("documents", None):
            raise chat.ChatError("Kimi-VL's chat layout has no place for tools or documents.")
        call = {**kwargs, **(processor_kwargs or {})}
        if return_tensors != "auto":
            call["return_tensors"] = return_tensors
        conversations = list(conversation) if is_batch(conversation) else [conversation]
        template = self._template(chat_template)
        ids = [
            self.tokenizer.encode_segments(
                self.tokenizer.chat_segments(
                    messages,
                    chat_template=template,
                    add_generation_prompt=add_generation_prompt,
                    continue_final_message=continue_final_message,
                )
            )
            for messages in conversations
        ]
        images = call.pop("images", None)
        if images is None:
            images = [image for messages in conversations for image in chat.images_in(messages)]
            if images and all(image is None for image in images):
                raise ImageCountError("The messages hold no images, only places: pass processor_kwargs={'images': …}.")
        out = self._assemble(ids, images, call)
        return out if return_dict else out["input_ids"]

    def _template(self, asked: str | None) -> str:
        """A template by its name or as it is; without one the checkpoint's own."""
        own = self.chat_template
        if isinstance(own, dict):
            return str(own.get(asked or "default", asked))
        return str(asked if asked is not None else own)

    def _assemble(self, ids: list[list[int]] | None, images: Any, kwargs: Mapping[str, Any]) -> BatchFeature:
        """Prompts' ids with one id for each image, and the images, to the tensors of one batch."""
        settings = _settings(kwargs)
        given = [] if images is None else flat_images(images)
        if not given and ids is None:
            raise ValueError("Neither text nor images were given.")
        tensors = settings.get("return_tensors")
        pictures = (
            self.image_processor(given, return_tensors=tensors, **_subset(settings, _IMAGE_SETTINGS)) if given else {}
        )
        if ids is None:
            return BatchFeature(dict(pictures), tensor_type=tensors)
        merged = self.image_processor.merge_kernel_size[0] * self.image_processor.merge_kernel_size[1]
        counts = [int(rows) * int(columns) // merged for rows, columns in pictures["image_grid_hws"]] if given else []
        wide = self._widen(ids, counts)
        # A checkpoint's own padding_side is for training; a prompt is continued at its right end.
        text_settings = {"padding_side": "left", **_subset(settings, _TEXT_SETTINGS)}
        encoded = self.tokenizer(wide, return_tensors=tensors, **text_settings)
        self._check_whole(wide, encoded["input_ids"])
        data = {**encoded, **pictures}
        if settings.get("return_mm_token_type_ids"):
            data["mm_token_type_ids"] = self.create_mm_token_type_ids(encoded["input_ids"])
        return BatchFeature(data, tensor_type=tensors)

    def _widen(self, ids: list[list[int]], counts: list[int]) -> list[list[int]]:
        """Each image's one id repeated as often as the image has tokens, images taken in the order of the prompts."""
        places = [row.count(self.image_token_id) for row in ids]
        if sum(places) != len(counts):
            raise ImageCountError(
                f"{len(counts)} images were given, but the prompts have places for {sum(places)} "
                f"({', '.join(map(str, places))}). Each image needs its own image item in the messages."
            )
        widths = iter(counts)
        wide: list[list[int]] = []
        for number, row in enumerate(ids):
            if not row:
                raise ValueError(f"Prompt {number} is empty.")
            wide.append(chat.widen_images(row, self.image_token_id, widths))
        return wide

    def _check_whole(self, wide: list[list[int]], encoded: Any) -> None:
        for number, (before, after) in enumerate(zip(wide, encoded, strict=True)):
            wanted, kept = before.count(self.image_token_id), int(sum(int(i) == self.image_token_id for i in after))
            if wanted != kept:
                raise ImageCountError(
                    f"Truncation cut {wanted - kept} of {wanted} image tokens off prompt {number}, which has "
                    f"{len(before)} tokens. Raise max_length, turn truncation off, or pass fewer or smaller images."
                )


def compare_template(tokenizer: KimiVLTokenizer, template: str | dict[str, str] | None) -> str | None:
    """How a template's result differs from Kimi-VL's layout on the probe conversations; None where it does not."""
    if template == chat.CHAT_TEMPLATE or not isinstance(template, str):
        return None if isinstance(template, str) else "it holds several templates, or none."
    for probe in chat.PROBES:
        for opened in (False, True):
            ours, theirs = (
                tokenizer.apply_chat_template(probe, chat_template=t, add_generation_prompt=opened, tokenize=False)
                for t in (chat.CHAT_TEMPLATE, template)
            )
            if ours != theirs:
                return f"{theirs!r} in place of {ours!r}."
    return None


def _settings(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments in one, those in text_kwargs and images_kwargs included; None means not given."""
    settings: dict[str, Any] = {}
    for group in (*[kwargs.get(name) or {} for name in _GROUPS], kwargs):
        settings.update({name: value for name, value in group.items() if value is not None and name not in _GROUPS})
    known = _TEXT_SETTINGS | _IMAGE_SETTINGS | _COMMON_SETTINGS | _WITHOUT_EFFECT
    if unknown := sorted(settings.keys() - known):
        raise TypeError(f"Kimi-VL's processor knows no {', '.join(unknown)}; it takes {', '.join(sorted(known))}.")
    return settings


def _subset(settings: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name in names}
