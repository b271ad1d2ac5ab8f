"""The eight tables, declared once as Arrow schemas: every writer casts to these and every reader may rely on them.

Each field's meaning stands in its metadata under ``description``; ``docs/schema.md`` is generated from it.
Boxes are x0, y0, x1, y1 as shares (0..1) of the upright page, origin top left. Times are seconds of the video
or UTC timestamps. Costs nothing at run time: the schemas are built once at import.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from folioscope.schemas.structs import (
    ATTACHMENT,
    BLOCK,
    CHAPTER,
    COUNTS,
    ERROR_BOUND,
    EVIDENCE,
    KEY_POINT,
    OMISSION,
    OUTLINE_ENTRY,
    PROVENANCE,
    TIMESTAMP,
    TRACK,
    field,
)

SCHEMA_VERSION: Final = 3

ASSETS: Final = pa.schema(
    [
        field("uri", pa.string(), "Where the file was seen", nullable=False),
        field("asset_id", pa.string(), "SHA-256 of the file's bytes; null where they could not be read"),
        field("parent_uri", pa.string(), "Of a file inside another: the file that holds it; null where it was listed"),
        field("parent_asset_id", pa.string(), "SHA-256 of the file that holds it; null where it was listed"),
        field(
            "etag",
            pa.string(),
            "The store's own fingerprint: ETag, or size and mtime; of a file inside another SHA-256, size and etag of "
            "the listed file around it",
        ),
        field("size", pa.int64(), "Bytes"),
        field("modified_at", TIMESTAMP, "Last modification, as the store tells it"),
        field("kind", pa.string(), "pdf, image, video, audio or subtitles; null where it is none of them"),
        field("page_count", pa.int32(), "Pages of a document"),
        field("shot_count", pa.int32(), "Shots of a video; null until it has been cut into shots"),
        field("duration_s", pa.float64(), "Length of a video in seconds"),
        field("width_px", pa.int32(), "Frame or image width, upright"),
        field("height_px", pa.int32(), "Frame or image height, upright"),
        field("fps", pa.float64(), "Frames a second of a video, on average"),
        field("variable_fps", pa.bool_(), "True where a video's frames do not come at an even rate"),
        field("rotation", pa.int16(), "Degrees clockwise by which a video's frames are turned to stand upright"),
        field("container", pa.string(), "Container format of a video"),
        field("codec", pa.string(), "Video codec of a video"),
        field("has_audio", pa.bool_(), "True where a video has sound"),
        field("mirrored", pa.bool_(), "True where a video's frames, turned upright, are shown left to right mirrored"),
        field("pixel_aspect", pa.float64(), "How many times as wide as high a video's stored pixels are shown"),
        field("interlaced", pa.bool_(), "True where a video's frames are woven of two fields"),
        field("timecode", pa.string(), "Time code of a video's first frame, as its container tells it"),
        field("recorded_at", TIMESTAMP, "When a video was recorded, by its container's own word"),
        field("tracks", pa.list_(TRACK), "All tracks of a video's container"),
        field("chapters", pa.list_(CHAPTER), "Chapters that a video's container names; they become its chapters"),
        field("title", pa.string(), "Title from the file's own metadata"),
        field(
            "attachments",
            pa.list_(ATTACHMENT),
            "Files inside a PDF, those that are read and those that are not; null for other kinds",
        ),
        field("outline", pa.list_(OUTLINE_ENTRY), "A PDF's bookmarks in order; null for other kinds"),
        field("status", pa.string(), "done, partial, failed, skipped, pending or deleted", nullable=False),
        field("reason", pa.string(), "Reason code where the status is not done"),
        field("read_recipe_id", pa.string(), "Recipe of the segments that are current for this file"),
        field("summary_recipe_id", pa.string(), "Recipe of the summary that is current for this file"),
        field("answer_recipe_ids", pa.list_(pa.string()), "Recipes of the answers that are current for this file"),
        field("run_id", pa.string(), "The run that last changed this row", nullable=False),
        field("first_seen_at", TIMESTAMP, "When a run first saw this path", nullable=False),
    ]
)

SEGMENTS: Final = pa.schema(
    [
        field("asset_id", pa.string(), "The file that holds the segment", nullable=False),
        field("uri", pa.string(), "Where the file lay when the row was made; the views tell where it lies now"),
        field("kind", pa.string(), "page or shot", nullable=False),
        field("segment", pa.int32(), "Position in the file from 1: page number or shot number", nullable=False),
        field("page_number", pa.int32(), "Page from 1; null for shots"),
        field("start_s", pa.float64(), "First second of a shot; null for pages"),
        field("end_s", pa.float64(), "End of a shot in seconds; null for pages"),
        field("width_px", pa.int32(), "Width of the upright page or frame at the recipe's resolution"),
        field("height_px", pa.int32(), "Height of the upright page or frame at the recipe's resolution"),
        field("rotation", pa.int16(), "Degrees clockwise by which the stored page was turned to stand upright"),
        field("text", pa.string(), "Markdown in reading order, without running headers, footers and comments"),
        field(
            "text_source",
            pa.string(),
            "Where the text comes from, first what stands on the page or screen: text_layer, model, subtitle, speech "
            "or none",
            nullable=False,
        ),
        field("blocks", pa.list_(BLOCK), "The parts of the segment with their boxes, headers and footers included"),
        field("caption", pa.string(), "What a picture or shot shows, from a model that can tell; else null"),
        field("frame_times", pa.list_(pa.float64()), "Presentation times of the frames that were read; null for pages"),
        field("language", pa.string(), "BCP 47 tag of the text's language (de, yue); null where it cannot be told"),
        field(
            "layer_agreement", pa.float32(), "0..1 likeness of the model's text and the text layer, where both exist"
        ),
        field("reader", pa.string(), "What read the page: layer, ocr or model; null for shots"),
        field(
            "route_reason",
            pa.string(),
            "Why the page went to that reader: usable_layer or blank; no_layer, hidden_ocr or garbled_layer; formula, "
            "figure, table, form or low_confidence (what the layer alone does not tell); all_pages (--route model); "
            "null for shots",
        ),
        field(
            "reference",
            pa.string(),
            "Independent reader that a model's words were compared with: text_layer, ocr, ocr_detection (where text "
            "stands, without its words) or none; null where no model read the page",
        ),
        field("word_count", pa.int32(), "Words of the text that were compared"),
        field("support", pa.float32(), "Share of the text's words that the reference reader found on the page"),
        field("reference_word_count", pa.int32(), "Words that the reference reader found on the page"),
        field("omitted", pa.float32(), "Share of the reference reader's words that the text lacks"),
        field("omissions", pa.list_(OMISSION), "Passages that the reference reader found and the text lacks"),
        field("token_probability_mean", pa.float32(), "Mean probability of the tokens that the model wrote"),
        field("token_probability_min", pa.float32(), "Least probability of a token that the model wrote"),
        field(
            "flags",
            pa.list_(pa.string()),
            "What is odd about the segment: blank, garbled_layer, hidden_ocr, low_confidence, unread_script, "
            "layout_timeout, comments, attachments, xfa …",
        ),
        *PROVENANCE,
    ]
)

THUMBNAILS: Final = pa.schema(
    [
        field("asset_id", pa.string(), "The file that holds the segment", nullable=False),
        field("uri", pa.string(), "Where the file lay when the row was made; the views tell where it lies now"),
        field("segment", pa.int32(), "Position in the file from 1: page number or shot number", nullable=False),
        field("image", pa.binary(), "Small WebP picture of the upright page or of the shot", nullable=False),
        field("recipe_id", pa.string(), "The segment's recipe", nullable=False),
        field("run_id", pa.string(), "The run that made the row", nullable=False),
        field("created_at", TIMESTAMP, "When the row was made", nullable=False),
    ]
)

SUMMARIES: Final = pa.schema(
    [
        field("asset_id", pa.string(), "The file summarised", nullable=False),
        field("uri", pa.string(), "Where the file lay when the row was made; the views tell where it lies now"),
        field("summary", pa.string(), "The summary; empty where the file holds too little text"),
        field(
            "method",
            pa.string(),
            "extractive (sentences of the document) or abstractive (the model's own words)",
            nullable=False,
        ),
        field("key_points", pa.list_(KEY_POINT), "Its statements, each with its evidence"),
        field("chapters", pa.list_(CHAPTER), "Parts of a video in order; null for documents"),
        *PROVENANCE,
    ]
)

ANSWERS: Final = pa.schema(
    [
        field("asset_id", pa.string(), "The file asked", nullable=False),
        field("uri", pa.string(), "Where the file lay when the row was made; the views tell where it lies now"),
        field("question_id", pa.string(), "The question's id as the asker gave it", nullable=False),
        field("question", pa.string(), "The question", nullable=False),
        field("answer", pa.string(), "The answer; null where the file does not hold it"),
        field("answerable", pa.bool_(), "False where the file does not hold the answer", nullable=False),
        field("score", pa.float32(), "0..1 trust of the replica in its answer; null where it has none"),
        field("evidence", pa.list_(EVIDENCE), "What the answer rests on"),
        field("reasoning", pa.string(), "Thoughts of a Thinking model, split from the answer"),
        *PROVENANCE,
    ]
)

COVERAGE: Final = pa.schema(
    [
        field("asset_id", pa.string(), "The file asked", nullable=False),
        field("uri", pa.string(), "Where the file lay when the row was made; the views tell where it lies now"),
        field("question_ids", pa.list_(pa.string()), "Ids of questions that the file does not answer", nullable=False),
        field("questions", pa.list_(pa.string()), "These questions, in the order of their ids", nullable=False),
        field("recipe_ids", pa.list_(pa.string()), "The recipe of each, in the order of their ids", nullable=False),
        *(part for part in PROVENANCE if part.name != "recipe_id"),
    ]
)

FAILURES: Final = pa.schema(
    [
        field("uri", pa.string(), "The file concerned", nullable=False),
        field("asset_id", pa.string(), "Its SHA-256; null where it could not be read"),
        field(
            "stage",
            pa.string(),
            "plan, transcribe, decode, read, ocr (the page has its row, which lacks what is told here), summarize or "
            "answer",
            nullable=False,
        ),
        field("segment", pa.int32(), "The page or shot given up; null where the whole file is"),
        field("question_id", pa.string(), "The question given up, in stage answer"),
        field("reason", pa.string(), "Reason code, one of docs/failures.md", nullable=False),
        field("message", pa.string(), "What happened and what to do about it", nullable=False),
        field("attempts", pa.int32(), "How often it was tried", nullable=False),
        field("retryable", pa.bool_(), "True where trying again may help with no change to the file", nullable=False),
        field("text_salvaged", pa.string(), "Text got before it failed"),
        field("recipe_id", pa.string(), "The recipe that was being followed; null in stage plan"),
        field("run_id", pa.string(), "The run that gave it up", nullable=False),
        field("created_at", TIMESTAMP, "When it was given up", nullable=False),
    ]
)

RUNS: Final = pa.schema(
    [
        field("run_id", pa.string(), "Sorts by start time", nullable=False),
        field("started_at", TIMESTAMP, "When the run began", nullable=False),
        field("finished_at", TIMESTAMP, "When its results were published"),
        field("arguments", pa.string(), "The run's configuration as JSON, secrets left out", nullable=False),
        field("versions", pa.map_(pa.string(), pa.string()), "Package versions that made the results"),
        field("assets", COUNTS, "Files: seen = done + reused + failed + skipped"),
        field("segments", COUNTS, "Pages and shots: seen = done + reused + failed + skipped"),
        field("summaries", COUNTS, "Summaries: seen = done + reused + failed + skipped"),
        field("answers", COUNTS, "Answers: seen = done + reused + failed + skipped"),
        field("input_tokens", pa.int64(), "Tokens put into the model"),
        field("output_tokens", pa.int64(), "Tokens the model wrote"),
        field("busy_seconds", pa.float64(), "Seconds the replicas worked, summed over them"),
        field("idle_seconds", pa.float64(), "Seconds the replicas waited, summed over them"),
        field("cost", pa.float64(), "Replica hours times the price an hour, where a price was given"),
        field(
            "suspect_segments",
            pa.int64(),
            "Pages and shots read by this run that are empty, loop, hold no letters or are of low confidence",
        ),
        field(
            "error_bounds",
            pa.list_(ERROR_BOUND),
            "How far the text of pages read by a model can be wrong: of all of them, then of each source folder",
        ),
        field("reference_seconds", pa.float64(), "CPU seconds that the reference reader took"),
    ]
)

TABLES: Final[dict[str, pa.Schema]] = {
    "assets": ASSETS,
    "segments": SEGMENTS,
    "thumbnails": THUMBNAILS,
    "summaries": SUMMARIES,
    "answers": ANSWERS,
    "coverage": COVERAGE,
    "failures": FAILURES,
    "runs": RUNS,
}

# The order in which published files are sorted; its first column is what readers prune by. Answers are looked for by
# their question, and by their file within it.
SORT_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "assets": ("uri",),
    "segments": ("asset_id", "recipe_id", "segment"),
    "thumbnails": ("asset_id", "recipe_id", "segment"),
    "summaries": ("asset_id", "recipe_id"),
    "answers": ("question_id", "asset_id", "recipe_id"),
    "coverage": ("asset_id",),
    "failures": ("uri", "stage", "segment"),
    "runs": ("run_id",),
}
