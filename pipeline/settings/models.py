"""Which model reads, on what, and how pages, shots and sound are put before it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from folioscope.model.choice import Quantization, Variant
from folioscope.model.engine.interface import EngineName
from folioscope.model.protocol import TASKS, Task
from folioscope.pipeline.decode.pages import Layout, Route, VideoDecoder
from folioscope.pipeline.grounding.reference import ReferenceMode
from folioscope.pipeline.options import Group, Option
from folioscope.pipeline.questions import QuestionSpec
from folioscope.pipeline.settings import spelling
from folioscope.pipeline.video.shots import ShotDetector


class ModelSettings(BaseModel):
    """What is asked of which model."""

    tasks: Annotated[
        tuple[Task, ...],
        BeforeValidator(spelling.words),
        Option(Group.MODEL, "Any of read, summarize and answer, separated by commas.", metavar="TASKS"),
    ] = TASKS
    questions: Annotated[
        tuple[QuestionSpec, ...],
        BeforeValidator(spelling.questions),
        Option(
            Group.MODEL,
            "File or URL of questions (YAML, JSON or CSV) with the keys id, question and, optionally, assets: a glob "
            "of the files that it is asked of.",
            metavar="FILE",
        ),
    ] = ()
    model: Annotated[
        str,
        BeforeValidator(spelling.models),
        Option(
            Group.MODEL,
            "embedded (runs on a CPU, nothing to download), nano (a tiny Kimi-VL, to try the real path), fake (for "
            "tests), a replica of your own (package.module:Replica, or the name under which it is installed), a server "
            "that speaks OpenAI's chat completions (https://host/v1#model-name; give several servers of one model by "
            "repeating it), or a Kimi-VL checkpoint: ./directory, s3://bucket/checkpoint, or owner/name@revision on "
            "the hub.",
            metavar="MODEL",
            repeatable=True,
        ),
    ] = "embedded"
    engine: Annotated[
        EngineName,
        Option(
            Group.MODEL,
            "What runs a Kimi-VL checkpoint: torch (our own), vllm (an extra), or auto: vllm where there is a GPU and "
            "it is installed, else torch. openai is a server's; its name brings it.",
        ),
    ] = "auto"
    dialect: Annotated[
        str | None,
        Option(
            Group.MODEL,
            "How the model is asked for a page and writes it: kimi-vl, markdown, olmocr, dots-ocr, chandra, "
            "deepseek-ocr, paddleocr-vl, or mineru.",
            default="by the model's name, else markdown",
        ),
    ] = None
    variant: Annotated[
        Variant | None,
        Option(Group.MODEL, "Whether the model thinks before it answers.", default="told from the model"),
    ] = None
    quantization: Annotated[
        Quantization | None,
        Option(Group.MODEL, "How vllm is to quantise the weights.", default="what the checkpoint says"),
    ] = None
    route: Annotated[
        Route,
        Option(
            Group.MODEL,
            "Which pages a vision-language model reads. auto: those to which it adds something (no usable text layer, "
            "formulas, figures with words, tables that cannot be rebuilt, forms), the others are read from their "
            "layers without it; layer: those without a usable layer; model: all.",
            media="documents",
        ),
    ] = "auto"
    reference: Annotated[
        ReferenceMode,
        Option(
            Group.MODEL,
            "Second, independent reader whose words give those of a vision-language model their boxes and check them. "
            "layer: the text layer, where it is usable; ocr: OCR; auto: the layer, and OCR where there is none; none: "
            "nothing is checked.",
            media="documents",
        ),
    ] = "auto"
    reference_share: Annotated[
        float,
        Option(
            Group.MODEL,
            "Share of the pages without a usable layer that OCR reads in full, 0 to 1; of the others it only finds the "
            "lines. The share decides how narrow the run's error bound is, and the CPU cores needed.",
            media="documents",
        ),
    ] = Field(default=1.0, ge=0, le=1)
    replicas: Annotated[int, Option(Group.MODEL, "How many copies of the model to load, one in each actor.")] = Field(
        default=2, ge=1
    )
    decode_processes: Annotated[
        int | None,
        Option(
            Group.MODEL,
            "Processes that decode pages and frames for each replica, each up to a CPU of its node; Ray is not told of "
            "them.",
            default="1; for a replica on a GPU the node's CPUs shared out over its GPUs, 8 at most",
        ),
    ] = Field(default=None, ge=1, le=64)
    gpus_per_replica: Annotated[
        float | None,
        Option(Group.MODEL, "GPUs that each replica asks Ray for.", default="1 for a large checkpoint, else 0"),
    ] = Field(default=None, ge=0)
    layout: Annotated[
        Layout,
        Option(
            Group.MODEL,
            "How text layers are put in order. full: layout network and table finder; fast: rules alone; auto: the "
            "network where a page is more than plain prose.",
            media="documents",
        ),
    ] = "auto"
    dpi: Annotated[int, Option(Group.MODEL, "Resolution of rendered pages, in dots per inch.", media="documents")] = (
        Field(default=144, ge=36, le=600)
    )
    max_pixels: Annotated[
        int, Option(Group.MODEL, "Largest rendered page or frame, in pixels; larger ones are scaled down.")
    ] = Field(default=16_000_000, ge=10_000)
    pages_per_unit: Annotated[
        int,
        Option(
            Group.MODEL,
            "Pages that are read and committed together.",
            media="documents",
            default="16, in fast layout 32, in full 8",
        ),
    ] = Field(default=None, ge=1, le=512, validate_default=True)
    seconds_per_unit: Annotated[
        float, Option(Group.MODEL, "Seconds of video that are searched for shots together.", media="videos")
    ] = Field(default=60.0, ge=1, le=3600)
    max_frames_per_shot: Annotated[
        int, Option(Group.MODEL, "Most frames that are read of one shot.", media="videos")
    ] = Field(default=4, ge=1, le=64)
    shot_detector: Annotated[
        ShotDetector,
        Option(
            Group.MODEL,
            "What finds the shots of videos: adaptive (no network), or transnetv2 (a network; the extra shots).",
            media="videos",
        ),
    ] = "adaptive"
    video_decoder: Annotated[
        VideoDecoder,
        Option(
            Group.MODEL,
            "Library that picks frames. decord may return a neighbouring frame on a busy node.",
            media="videos",
            earlier=("--decoder",),
        ),
    ] = "pyav"
    address: Annotated[
        str | None,
        Option(Group.MODEL, "Ray cluster to join.", metavar="ADDRESS", default="RAY_ADDRESS, else a local Ray"),
    ] = None
    speech: Annotated[
        str,
        Option(
            Group.MODEL,
            "What transcribes speech: auto (the packaged English model, for sound tagged as English), off, tiny.en "
            "(the packaged model for all sound), a CTranslate2 Whisper model (./directory, s3://bucket/model, "
            "owner/name@revision on the hub), or a server (https://host/v1#model, its key in FOLIOSCOPE_SPEECH_KEY). "
            "Needs the extra speech.",
            media="videos",
        ),
    ] = Field(default="auto", min_length=1)
