"""Shows what a run published: the documents, a page, a video's time line, the answers, the failures.

python examples/show_tables.py OUTPUT
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.markup import escape
from rich.table import Table

CLOCK = """
    CREATE OR REPLACE TEMP MACRO clock(seconds) AS
        strftime(make_timestamp(CAST(round(seconds * 1000000) AS BIGINT)), '%-H:%M:%S')
"""
QUERIES = (
    (
        "Documents",
        "SELECT parse_filename(uri) AS file, status, page_count AS pages, left(summary, 160) AS summary FROM documents ORDER BY uri",
    ),
    (
        "Videos",
        """
        SELECT parse_filename(uri) AS file, status, clock(duration_s) AS length, shot_count AS shots,
               left(summary, 160) AS summary
        FROM videos ORDER BY uri""",
    ),
    (
        "Answers",
        """
        SELECT question, parse_filename(uri) AS file, answer,
               coalesce(CAST(evidence[1].page_number AS VARCHAR), clock(evidence[1].start_s)) AS "page or time",
               evidence[1].verified AS verified
        FROM current_answers JOIN (SELECT uri, status FROM current_assets) USING (uri)
        WHERE answerable ORDER BY question_id, score DESC, status <> 'done', uri""",
    ),
    (
        "Not found anywhere",
        "SELECT DISTINCT question FROM current_answers GROUP BY question HAVING NOT bool_or(answerable)",
    ),
    (
        "Failures",
        "SELECT parse_filename(uri) AS file, reason, regexp_replace(message, '^.*/', '') AS message FROM failures ORDER BY uri",
    ),
)
PAGE = """
    SELECT parse_filename(uri) AS file, page_number, text_source, text FROM pages
    ORDER BY text LIKE '%<table>%' DESC, uri, page_number LIMIT 1
"""
# The video with the most words: where its chapters begin, and what is shown or said.
TIME_LINE = """
    WITH video AS (SELECT uri FROM shots GROUP BY uri ORDER BY sum(length(text)) DESC, uri LIMIT 1),
    chapters AS (SELECT uri, unnest(chapters, recursive := true) FROM videos WHERE uri IN (FROM video)),
    lines AS (SELECT uri, unnest(blocks) AS block FROM shots WHERE uri IN (FROM video))
    SELECT parse_filename(uri) AS file, start_s AS begins, clock(start_s) AS "from", clock(end_s) AS "to", title AS chapter,
           '' AS "shown or said"
    FROM chapters
    UNION ALL
    SELECT parse_filename(uri), block.start_s, clock(block.start_s), clock(block.end_s), '',
           trim(regexp_replace(block.text, '(<[^>]*>)+', ' ', 'g'))
    FROM lines
    ORDER BY begins, chapter = ''
"""


def main(output: Path) -> None:
    database = duckdb.connect()
    database.execute("SET VARIABLE output = $1", [str(output)])
    database.execute((output / "views.sql").read_text())
    database.execute(CLOCK)
    console = Console(width=None if sys.stdout.isatty() else 120)
    for title, query in QUERIES:
        _print(console, title, database.sql(query))
    _print(console, "Time line of a video", database.sql(f"SELECT * EXCLUDE begins FROM ({TIME_LINE})"))
    for page in database.sql(PAGE).fetchall():
        console.rule(f"{page[0]}, page {page[1]}, from {page[2]}")
        console.print(page[3], markup=False, highlight=False)
        console.rule()
    console.print(f"Ask more: cd {output} && duckdb -init views.sql", markup=False, highlight=False)


def _print(console: Console, title: str, result: duckdb.DuckDBPyRelation) -> None:
    rows = result.fetchall()
    if not rows:
        return
    table = Table(title=title, title_justify="left", show_lines=False)
    for column in result.columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def _cell(value: Any) -> str:
    return "" if value is None else escape(str(value))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
