"""``folioscope show``: what was read of one file, from the tables, or by reading it now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from folioscope.jobs.command import Command, end
from folioscope.pipeline.errors import ConfigError
from folioscope.pipeline.logs import counted, log_error
from folioscope.schemas.errors import ExitCode

EPILOG = "Exit codes: 0 shown; 1 the file or the tables cannot be read; 2 bad arguments, or no such file or page."
_FILE = "SELECT * FROM current_assets WHERE uri = $1 OR suffix(uri, '/' || $1) ORDER BY uri"
_PAGES = "SELECT segment, text, text_source, flags, blocks FROM pages WHERE asset_id = $1 ORDER BY segment"
_SHOTS = (
    "SELECT segment, start_s, end_s, text, text_source, flags, blocks, caption FROM shots "
    "WHERE asset_id = $1 ORDER BY segment"
)
_SUMMARY = "SELECT summary FROM {} WHERE uri = $1 AND summary IS NOT NULL"
_ANSWERS = "SELECT question, answer FROM current_answers WHERE asset_id = $1 AND answerable ORDER BY question_id"
_FAILURES = "SELECT stage, segment, reason, message FROM failures WHERE uri = $1 ORDER BY ALL"


@click.command(cls=Command, epilog=EPILOG)
@click.argument("file")
@click.option("--output", "-o", help="Folder or URI of the tables. Without it the file is read now.")
@click.option("--page", type=click.IntRange(min=1), help="Show this page or shot alone.")
@click.option("--blocks", is_flag=True, help="Show the blocks of each page with their kinds and boxes.")
def command(file: str, output: str | None, page: int | None, blocks: bool) -> None:
    """Show what was read of FILE: its text page by page and, from the tables, its summary, answers and failures.

    With --output, FILE may be the end of a path: reports/annual.pdf.
    """
    parts = list(_from_tables(output, file, page, blocks=blocks) if output else _read_now(file, page, blocks=blocks))
    if not parts:
        what = f"{file} has no page or shot {page}" if page else f"{file} holds nothing that could be read"
        log_error(what, "not_found")
        end(ExitCode.BAD_ARGUMENTS)
    click.echo("\n\n".join(parts))


def _read_now(file: str, page: int | None, *, blocks: bool) -> Iterator[str]:
    from dataclasses import asdict

    from folioscope.pipeline.config import parse_config
    from folioscope.pipeline.one_file import FileReader
    from folioscope.pipeline.settings.files import NO_OUTPUT

    with FileReader(parse_config(inputs=(file,), output=NO_OUTPUT)) as reader:
        document = reader.read(file)
    for failure in document.failures:
        log_error(failure.message, "failure", reason=failure.reason)
    for segment in map(asdict, document.pages or document.shots):
        if page in (None, segment["number"]):
            yield _segment({**segment, "segment": segment["number"]}, blocks=blocks)


def _from_tables(output: str, file: str, page: int | None, *, blocks: bool) -> Iterator[str]:
    from folioscope.pipeline.readers.views import open_views
    from folioscope.pipeline.storage.store import OutputStore
    from folioscope.pipeline.tables.manifest import load_manifest

    store = OutputStore(output)
    if not load_manifest(store).run_id:
        raise ConfigError(f"{output}: nothing has been published there; check the path")
    with open_views(store) as database:

        def rows(sql: str, key: str) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = database.sql(sql, params=[key]).to_arrow_table().to_pylist()
            return found

        asset = _one_file(rows(_FILE, file), file, output)
        video = asset["kind"] == "video"
        segments = rows(_SHOTS if video else _PAGES, asset["asset_id"] or "")
        shown = [segment for segment in segments if page in (None, segment["segment"])]
        if page is None:
            yield _head(asset, rows(_SUMMARY.format("videos" if video else "documents"), asset["uri"]))
        yield from (_segment(segment, blocks=blocks) for segment in shown)
        if page is None:
            answers = rows(_ANSWERS, asset["asset_id"] or "")
            yield from (f"Question: {item['question']}\nAnswer: {item['answer']}" for item in answers)
        yield from (
            f"Failed: {item['stage']} {item['segment'] or ''} ({item['reason']}): {item['message']}"
            for item in rows(_FAILURES, asset["uri"])
            if page in (None, item["segment"])
        )


def _one_file(found: Sequence[dict[str, Any]], file: str, output: str) -> dict[str, Any]:
    if len(found) == 1:
        return found[0]
    if not found:
        raise ConfigError(f"{file}: there is no such file in {output}; search it with folioscope search")
    places = "\n".join(str(item["uri"]) for item in found[:10])
    raise ConfigError(f"{file}: {len(found)} files of {output} end so; give more of the path:\n{places}")


def _head(asset: Mapping[str, Any], summary: Sequence[Mapping[str, Any]]) -> str:
    reason = f" ({asset['reason']})" if asset["reason"] else ""
    count = asset["shot_count"] if asset["kind"] == "video" else asset["page_count"]
    what = "shot" if asset["kind"] == "video" else "page"
    lines = [f"{asset['uri']}: {asset['status']}{reason}, {counted(count or 0, what)}"]
    if asset.get("parent_uri"):
        lines.append(f"Attached to {asset['parent_uri']}")
    lines += [_attachment(item) for item in asset.get("attachments") or ()]
    lines += [f"Summary: {item['summary']}" for item in summary]
    return "\n".join(lines)


def _attachment(item: Mapping[str, Any]) -> str:
    reason = item.get("reason")
    return f"Attached: {item['name']}" + (f" (not read: {reason})" if reason else "")


def _segment(segment: Mapping[str, Any], *, blocks: bool) -> str:
    flags = f", {', '.join(segment['flags'])}" if segment["flags"] else ""
    shot = segment.get("start_s") is not None
    place = f"{segment['start_s']:.2f}-{segment['end_s']:.2f} s" if shot else f"page {segment['segment']}"
    head = f"--- {place} ({segment['text_source']}{flags})"
    return "\n".join([head, *map(_block, segment["blocks"] or ())] if blocks else [head, segment["text"] or ""])


def _block(block: Mapping[str, Any]) -> str:
    box = block["bbox"]
    place = " ".join(f"{box[name]:.3f}" for name in ("x0", "y0", "x1", "y1")) if box else "-"
    return f"[{block['kind']} {place}] {block['text']}"
