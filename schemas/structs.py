"""What rows are made of: described fields, and the structs that several tables share.

Boxes are x0, y0, x1, y1 as shares (0..1) of the upright page, origin top left. Times are seconds of the video or UTC
timestamps.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

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

CELL: Final = pa.struct(
    [
        field("row", pa.int32(), "Row of the table, from 0"),
        field("column", pa.int32(), "Column of the table, from 0"),
        field("bbox", BOX, "Where the cell's words stand on the page; null where none was found"),
        field("support", pa.float32(), "Share of the cell's words that the reference reader found; null without words"),
    ]
)

SPAN: Final = pa.struct(
    [
        field("start", pa.int32(), "First character of the block's text, from 0"),
        field("end", pa.int32(), "The character after its last"),
    ]
)

OMISSION: Final = pa.struct(
    [
        field("text", pa.string(), "What stands on the page by the reference reader, and not in the text"),
        field("bbox", BOX, "Where it stands"),
    ]
)

WORD: Final = pa.struct(
    [
        field("text", pa.string(), "The word as it was said"),
        field("start_s", pa.float64(), "Second it starts"),
        field("end_s", pa.float64(), "Second it ends"),
        field("confidence", pa.float32(), "0..1 as the speech model reports it; null where it reports none"),
    ]
)

BLOCK: Final = pa.struct(
    [
        field(
            "kind",
            pa.string(),
            "heading, text, list_item, table, formula, caption, code, picture, footnote, header, footer or comment; of "
            "a video also subtitle or speech",
        ),
        field("text", pa.string(), "The block's text as Markdown; tables as HTML"),
        field("bbox", BOX, "Where the block stands on the page"),
        field("confidence", pa.float32(), "0..1 as the reader reports it; null where it reports none"),
        field("level", pa.int8(), "Heading level 1..6; 0 for every other kind"),
        field(
            "start_s",
            pa.float64(),
            "Second from which the text stood on the screen, or a subtitle or speech begins; null for pages",
        ),
        field(
            "end_s",
            pa.float64(),
            "Second until which the text was seen, or a subtitle or speech ends; null for pages",
        ),
        field("language", pa.string(), "BCP 47 tag of a subtitle's or of speech's language; null where unknown"),
        field("track", pa.string(), "Where a subtitle or speech comes from: a track, a caption channel, a file"),
        field(
            "flags",
            pa.list_(pa.string()),
            "Why speech must not be believed: low_logprob, no_speech, repetition, music; its words are in no text",
        ),
        field("words", pa.list_(WORD), "Words of speech with their times"),
        field(
            "support",
            pa.float32(),
            "Share of the block's words that the reference reader found on the page; null where none was asked",
        ),
        field("unsupported", pa.list_(SPAN), "Words of the block that the reference reader did not find"),
        field("cells", pa.list_(CELL), "Cells of a table that a model read, with the boxes of their words"),
    ]
)

EVIDENCE: Final = pa.struct(
    [
        field("page_number", pa.int32(), "Page the quote stands on, from 1; null for videos"),
        field("start_s", pa.float64(), "Second the evidence starts; null for documents"),
        field("end_s", pa.float64(), "Second the evidence ends; null for documents"),
        field("quote", pa.string(), "The words the statement rests on"),
        field("bbox", BOX, "Box of the block that holds the quote"),
        field(
            "verified",
            pa.bool_(),
            "True where the quote was found in text that the asserting model did not write: verified_by text_layer or "
            "ocr",
        ),
        field(
            "verified_by",
            pa.string(),
            "Where the quote was found: text_layer, ocr, subtitle or speech of its own place, or model_text, which a "
            "model wrote and nothing confirms; null where it was not found",
        ),
        field("repaired", pa.bool_(), "True where a near match was put right to the words that stand there"),
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

TRACK: Final = pa.struct(
    [
        field("index", pa.int32(), "Position of the track in its container, from 0"),
        field("kind", pa.string(), "video, audio, subtitle, data or attachment"),
        field("codec", pa.string(), "How the track is coded; null where nothing here knows it"),
        field("language", pa.string(), "The track's language as its container writes it, mostly ISO 639-2"),
        field("title", pa.string(), "What the container calls the track"),
        field(
            "flags", pa.list_(pa.string()), "default, forced, hearing_impaired, commentary and others it is marked with"
        ),
    ]
)

ATTACHMENT: Final = pa.struct(
    [
        field("name", pa.string(), "The name under which the file is attached"),
        field("size", pa.int64(), "Its bytes, as the PDF tells them; null where it does not"),
        field("kind", pa.string(), "Kind of file by its first bytes or its name; null where nobody here reads it"),
        field("uri", pa.string(), "The row of assets that it has; null where it is not read"),
        field(
            "reason", pa.string(), "unsupported_type or attachment_limit where it is not read; null where it has a row"
        ),
    ]
)

OUTLINE_ENTRY: Final = pa.struct(
    [
        field("level", pa.int8(), "Depth in the outline, from 1"),
        field("title", pa.string(), "The bookmark's title"),
        field("page_number", pa.int32(), "The page it leads to, from 1; null where it leads to none"),
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

ERROR_BOUND: Final = pa.struct(
    [
        field("folder", pa.string(), "Source folder; null for all of the run's pages together"),
        field("pages", pa.int64(), "Pages that a model read"),
        field("checked", pa.int64(), "Pages of them that were compared with a full reference reader"),
        field("words", pa.int64(), "Words of the checked pages' text"),
        field("unsupported", pa.float64(), "Share of words that the reference reader did not find, as estimated"),
        field("unsupported_low", pa.float64(), "Lower end of its 95 % interval"),
        field("unsupported_high", pa.float64(), "Upper end of its 95 % interval"),
        field("omitted", pa.float64(), "Share of the reference reader's words that the text lacks, as estimated"),
        field("omitted_low", pa.float64(), "Lower end of its 95 % interval"),
        field("omitted_high", pa.float64(), "Upper end of its 95 % interval"),
    ]
)
