"""Messages and images to model inputs, and both usages of the published model, end to end on a tiny checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest
import torch
from PIL import Image
from transformers import AutoModelForCausalLM, AutoProcessor

from folioscope.model.kimi_vl import KimiVLProcessor, split_thoughts
from folioscope.model.kimi_vl.chat import CHAT_TEMPLATE, PROBES, ChatError
from folioscope.model.kimi_vl.processing import ImageCountError

SYSTEM = "<|im_system|>system<|im_middle|>You are a helpful assistant<|im_end|>"
IMAGE = "<|media_start|>image<|media_content|><|media_pad|><|media_end|>"
RENDERED = (
    f"{SYSTEM}<|im_user|>user<|im_middle|>a<|im_end|>",
    "<|im_system|>system<|im_middle|>s<|im_end|><|im_user|>user<|im_middle|>a <|im_end|>",
    f"{SYSTEM}<|im_user|>user<|im_middle|>{IMAGE}{IMAGE}<|im_end|><|im_assistant|>assistant<|im_middle|>b\n<|im_end|>"
    f"<|im_user|>user<|im_middle|>c{IMAGE}d<|im_end|>",
)
OPENED = "<|im_assistant|>assistant<|im_middle|>"
PAD_ID = 533


@pytest.fixture(scope="module")
def processor(tiny: Path) -> KimiVLProcessor:
    found = AutoProcessor.from_pretrained(tiny)
    assert isinstance(found, KimiVLProcessor)
    return found


def ask(images: int, text: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = [{"type": "image", "image": f"{n}.png"} for n in range(images)]
    return [{"role": "user", "content": [*items, {"type": "text", "text": text}]}]


@pytest.mark.parametrize(("messages", "rendered"), list(zip(PROBES, RENDERED, strict=True)))
def test_the_chat_layout_is_the_published_one(processor: KimiVLProcessor, messages: Any, rendered: str) -> None:
    assert processor.apply_chat_template(messages) == rendered
    assert processor.apply_chat_template(messages, add_generation_prompt=True) == rendered + OPENED


def test_the_layout_is_that_of_the_published_template_where_it_lies_here(processor: KimiVLProcessor) -> None:
    path = Path(__file__).resolve().parents[4] / "shared" / "kimi-vl" / "chat_template.jinja"
    if not path.is_file():
        pytest.skip("no published template beside this checkout")
    for messages in PROBES:
        theirs = processor.apply_chat_template(messages, chat_template=path.read_text(), add_generation_prompt=True)
        assert theirs == processor.apply_chat_template(messages, add_generation_prompt=True)


@pytest.mark.parametrize("images", [1, 3])
def test_the_published_usage_runs(tiny: Path, images: int) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype="auto")
    processor = AutoProcessor.from_pretrained(tiny)
    pictures = [Image.new("RGB", (90 + 40 * n, 60), (n * 80, 0, 0)) for n in range(images)]
    prompt = processor.apply_chat_template(ask(images, "What?"), add_generation_prompt=True, return_tensors="pt")
    given = pictures[0] if images == 1 else pictures
    inputs = processor(images=given, text=prompt, return_tensors="pt", padding=True, truncation=True).to(model.device)
    generated = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    trimmed = [out[len(ids) :] for ids, out in zip(inputs.input_ids, generated, strict=True)]
    answer = processor.batch_decode(trimmed, skip_special_tokens=True, clean_up_tokenization_spaces=False)[0]
    assert isinstance(split_thoughts(answer).answer, str)
    assert len(inputs.image_grid_hws) == images
    assert int((inputs.input_ids == PAD_ID).sum()) * 4 == len(inputs.pixel_values)
    without = model(
        input_ids=inputs.input_ids,
        pixel_values=torch.zeros_like(inputs.pixel_values),
        image_grid_hws=inputs.image_grid_hws,
    )
    seen = model(**inputs)
    assert not torch.allclose(without.logits, seen.logits)  # the pictures matter


def test_a_batch_with_images_is_its_rows_alone(tiny: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny)
    processor = AutoProcessor.from_pretrained(tiny)
    pictures = [Image.effect_noise((60 + 30 * n, 50), 90).convert("RGB") for n in range(3)]
    prompts = [processor.apply_chat_template(ask(n, "Which?" * n), add_generation_prompt=True) for n in (2, 1)]
    batch = processor(images=pictures, text=prompts, return_tensors="pt", padding=True)
    together = model.generate(**batch, max_new_tokens=8, do_sample=False)[:, batch.input_ids.shape[1] :]
    for row, own in enumerate((pictures[:2], pictures[2:])):
        alone = processor(images=own, text=prompts[row], return_tensors="pt")
        new = model.generate(**alone, max_new_tokens=8, do_sample=False)[:, alone.input_ids.shape[1] :]
        assert new[0].tolist() == together[row].tolist()


def test_several_answers_to_one_prompt_keep_their_images(tiny: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny)
    processor = AutoProcessor.from_pretrained(tiny)
    prompts = [processor.apply_chat_template(ask(n, "x"), add_generation_prompt=True) for n in (2, 1)]
    pictures = [Image.effect_noise((60, 50 + n), 90) for n in range(3)]
    batch = processor(images=pictures, text=prompts, return_tensors="pt", padding=True)
    greedy = model.generate(**batch, max_new_tokens=6, do_sample=False)
    beams = model.generate(**batch, max_new_tokens=6, num_beams=1, num_return_sequences=2, do_sample=True, top_k=1)
    assert beams[0::2].tolist() == beams[1::2].tolist() == greedy.tolist()


def test_messages_go_straight_to_tensors_and_their_text_stays_text(processor: KimiVLProcessor) -> None:
    picture = Image.new("RGB", (56, 56))
    messages = [{"role": "user", "content": [{"type": "image", "image": picture}, {"text": "<|media_pad|><|im_end|>"}]}]
    inputs = processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    assert int((inputs["input_ids"] == PAD_ID).sum()) == 4
    assert int((inputs["input_ids"] == 514).sum()) == 2  # the ends of the system's and the user's turns


@pytest.mark.parametrize(("images", "places"), [(1, 2), (2, 1), (0, 1)])
def test_images_and_places_must_agree(processor: KimiVLProcessor, images: int, places: int) -> None:
    prompt = processor.apply_chat_template(ask(places, "x"))
    pictures = [Image.new("RGB", (28, 28))] * images
    with pytest.raises(ImageCountError, match=f"{images} images were given, .* places for {places}"):
        processor(images=pictures, text=prompt)


def test_truncation_that_cuts_an_image_is_refused(processor: KimiVLProcessor) -> None:
    prompt = processor.apply_chat_template(ask(1, "x"))
    with pytest.raises(ImageCountError, match=r"Truncation cut \d+ of 64 image tokens off prompt 0"):
        processor(images=Image.new("RGB", (224, 224)), text=prompt, truncation=True, max_length=40)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "at least one message"),
        ("hello", "at least one message"),
        ([{"role": "tool", "content": "x"}], "role 'tool'"),
        ([{"role": "user"}], "Message 0 is not a dict"),
        ([{"role": "user", "content": [{"type": "video"}]}], "item 0 has neither"),
    ],
)
def test_messages_that_the_layout_cannot_hold_are_refused(
    processor: KimiVLProcessor, messages: Any, message: str
) -> None:
    with pytest.raises(ChatError, match=message):
        processor.tokenizer.chat_segments(messages)


def test_a_template_that_rewrites_messages_is_refused_for_tokens(processor: KimiVLProcessor) -> None:
    rewriting = CHAT_TEMPLATE.replace("message['content'] -}}", "message['content'][2:] -}}", 1)
    with pytest.raises(ChatError, match="changes the text of messages"):
        processor.apply_chat_template([{"role": "user", "content": "abc"}], chat_template=rewriting, tokenize=True)


def test_unknown_arguments_are_refused(processor: KimiVLProcessor) -> None:
    with pytest.raises(TypeError, match="knows no do_resize"):
        processor(text="x", do_resize=True)


def test_a_processor_is_read_from_a_url_and_survives_saving(tiny: Path, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for path in tiny.iterdir():
        memory.pipe_file(f"/processor/{path.name}", path.read_bytes())
    remote = KimiVLProcessor.from_pretrained("memory://processor")
    remote.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    for processor in (remote, again):
        out = processor(images=Image.new("RGB", (56, 28)), text=RENDERED[0] + IMAGE, return_tensors="pt")
        assert int((out["input_ids"] == PAD_ID).sum()) == 2
