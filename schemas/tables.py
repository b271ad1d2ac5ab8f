"""The six tables, declared once as Arrow schemas: every writer casts to these and every reader may rely on them.

Each field's meaning stands in its metadata under ``description``; ``docs/schema.md`` is generated from it.
Boxes are x0, y0, x1, y1 as shares (0..1) of the upright page, origin top left. Times are seconds of the film
or UTC timestamps. Costs nothing at run time: the schemas are built once at import.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

SCHEMA_VERSION: Final = 2

TIMESTAMP: Final = pa.timestamp("ms", tz="UTC")


def field(name: str, type_: pa.DataType, description: str, *, nullable: bool = True) -> pa.Field[pa.DataType]:
    """A field whose description travels with every file that holds it."""
    return pa.field(name, type_, nullable=nullable, metadata={"description": description})


BOX: Final = pa.struct(
    [
        field("x0", pa.float32(), "Left edge, share of the upright page's width"),
        field("y0", pa.float32(), "Top edge, share of the upright page's height"),
        field("x1", pa.float32(), "Right edge, share of the upright page's width"),
        field("y1", pa.float32(), "Bottom edge, share of the upright page's height"),
    ]
)

BLOCK: Final = pa.struct(
    [
        field(
            "kind",
            pa.string(),
            "heading, text, list_item, table, formula, caption, code, picture, footnote, header or footer",
        ),
        field("text", pa.string(), "The block's text as Markdown; tables as HTML"),
        field("bbox", BOX, "Where the block stands on the page"),
        field("confidence", pa.float32(), "0..1 as the reader reports it; null where it reports none"),
        field("level", pa.int8(), "Heading level 1..6; 0 for every other kind"),
        field("start_s", pa.float64(), "Time of the first frame in which the text was read; null for pages"),
        field("end_s", pa.float64(), "Time of the last frame in which the text was read; null for pages"),
    ]
)

EVIDENCE: Final = pa.struct(
    [
        field("page_number", pa.int32(), "Page the quote stands on, from 1; null for films"),
        field("start_s", pa.float64(), "Second the evidence starts; null for documents"),
        field("end_s", pa.float64(), "Second the evidence ends; null for documents"),
        field("quote", pa.string(), "The words the statement rests on"),
        field("bbox", BOX, "Box of the block that holds the quote"),
        field("verified", pa.bool_(), "True where the quote was found in that segment's own text"),
    ]
)

KEY_POINT: Final = pa.struct(
    [
        field("text", pa.string(), "One statement of the summary"),
        field("evidence", pa.list_(EVIDENCE), "What it rests on"),
    ]
)

CHAPTER: Final = pa.struct(
    [
        field("title", pa.string(), "What the chapter is called: words of its own text, or the model's"),
        field("start_s", pa.float64(), "Second the chapter starts"),
        field("end_s", pa.float64(), "Second the chapter ends"),
    ]
)

# Every row of a result says which recipe, run and model made it, and at what cost.
PROVENANCE: Final = (
    field(
        "recipe_id",
        pa.string(),
        "Hash of all that decides the result: model, prompt, render settings, schema version",
        nullable=False,
    ),
    field("run_id", pa.string(), "The run that computed the row", nullable=False),
    field("model", pa.string(), "Replica and revision, e.g. embedded@1", nullable=False),
    field("input_tokens", pa.int64(), "Tokens put into the model; 0 where it counts none"),
    field("output_tokens", pa.int64(), "Tokens the model wrote; 0 where it counts none"),
    field("seconds", pa.float64(), "Wall seconds of the replica's work on this row"),
    field("created_at", TIMESTAMP, "When the row was made", nullable=False),
)

ASSETS: Final = pa.schema(
    [
        field("uri", pa.string(), "Where the file was seen", nullable=False),
        field("asset_id", pa.string(), "SHA-256 of the file's bytes; null where they could not be read"),
        field("etag", pa.string(), "The store's own fingerprint: ETag, or size and mtime"),
        field("size", pa.int64(), "Bytes"),
        field("modified_at", TIMESTAMP, "Last modification, as the store tells it"),
        field("kind", pa.string(), "pdf, image or video; null where it is none of them"),
        field("page_count", pa.int32(), "Pages of a document"),
        field("shot_count", pa.int32(), "Shots of a film; null until it has been cut into shots"),
        field("duration_s", pa.float64(), "Length of a film in seconds"),
        field("width_px", pa.int32(), "Frame or image width, upright"),
        field("height_px", pa.int32(), "Frame or image height, upright"),
        field("fps", pa.float64(), "Frames a second of a film, on average"),
        field("variable_fps", pa.bool_(), "True where a film's frames do not come at an even rate"),
        field("rotation", pa.int16(), "Degrees clockwise by which a film's frames are turned to stand upright"),
        field("container", pa.string(), "Container format of a film"),
        field("codec", pa.string(), "Video codec of a film"),
        field("has_audio", pa.bool_(), "True where a film has sound"),
        field("title", pa.string(), "Title from the file's own metadata"),
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
        field("kind", pa.string(), "page or shot", nullable=False),
        field("segment", pa.int32(), "Position in the file from 1: page number or shot number", nullable=False),
        field("page_number", pa.int32(), "Page from 1; null for shots"),
        field("start_s", pa.float64(), "First second of a shot; null for pages"),
        field("end_s", pa.float64(), "End of a shot in seconds; null for pages"),
        field("width_px", pa.int32(), "Width of the upright page or frame at the recipe's resolution"),
        field("height_px", pa.int32(), "Height of the upright page or frame at the recipe's resolution"),
        field("rotation", pa.int16(), "Degrees clockwise by which the stored page was turned to stand upright"),
        field("text", pa.string(), "Markdown in reading order, without running headers and footers"),
        field("text_source", pa.string(), "text_layer, model or none", nullable=False),
        field("blocks", pa.list_(BLOCK), "The parts of the segment with their boxes, headers and footers included"),
        field("caption", pa.string(), "What a picture or shot shows, from a model that can tell; else null"),
        field("frame_times", pa.list_(pa.float64()), "Presentation times of the frames that were read; null for pages"),
        field("thumbnail", pa.binary(), "Small WebP picture of the upright page or of the shot; null where turned off"),
        field("language", pa.string(), "ISO 639-1 code of the text's language; null where it cannot be told"),
        field(
            "layer_agreement", pa.float32(), "0..1 likeness of the model's text and the text layer, where both exist"
        ),
        field(
            "flags",
            pa.list_(pa.string()),
            "What is odd about the segment: blank, garbled_layer, hidden_ocr, low_confidence …",
        ),
        *PROVENANCE,
    ]
)

SUMMARIES: Final = pa.schema(
    [
        field("asset_id", pa.string(), "The file summarised", nullable=False),
        field("summary", pa.string(), "The summary; empty where the file holds too little text"),
        field(
            "method",
            pa.string(),
            "extractive (sentences of the document) or abstractive (the model's own words)",
            nullable=False,
        ),
        field("key_points", pa.list_(KEY_POINT), "Its statements, each with its evidence"),
        field("chapters", pa.list_(CHAPTER), "Parts of a film in order; null for documents"),
        *PROVENANCE,
    ]
)

ANSWERS: Final = pa.schema(
    [
        field("asset_id", pa.string(), "The file asked", nullable=False),
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

FAILURES: Final = pa.schema(
    [
        field("uri", pa.string(), "The file concerned", nullable=False),
        field("asset_id", pa.string(), "Its SHA-256; null where it could not be read"),
        field("stage", pa.string(), "plan, decode, read, summarize or answer", nullable=False),
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

COUNTS: Final = pa.struct(
    [
        field("seen", pa.int64(), "All that the run's inputs hold"),
        field("done", pa.int64(), "Computed by this run"),
        field("reused", pa.int64(), "Already there under the same key"),
        field("failed", pa.int64(), "In the failures table"),
        field("skipped", pa.int64(), "Not this run's to do: other kinds of file, or beyond --limit"),
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
    ]
)

TABLES: Final[dict[str, pa.Schema]] = {
    "assets": ASSETS,
    "segments": SEGMENTS,
    "summaries": SUMMARIES,
    "answers": ANSWERS,
    "failures": FAILURES,
    "runs": RUNS,
}

# The order in which published files are sorted; its first column is what readers prune by.
SORT_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "assets": ("uri",),
    "segments": ("asset_id", "recipe_id", "segment"),
    "summaries": ("asset_id", "recipe_id"),
    "answers": ("asset_id", "question_id", "recipe_id"),
    "failures": ("uri", "stage", "segment"),
    "runs": ("run_id",),
}
