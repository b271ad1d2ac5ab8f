"""Shows what a run published: the documents, a page, the answers, the failures.

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

QUERIES = (
    (
        "Documents",
        "SELECT parse_filename(uri) AS file, status, page_count AS pages, left(summary, 160) AS summary FROM documents ORDER BY uri",
    ),
    (
        "Answers",
        """
        SELECT question, parse_filename(uri) AS file, answer, evidence[1].page_number AS page,
               evidence[1].verified AS verified
        FROM current_answers WHERE answerable ORDER BY question_id, score DESC""",
    ),
    (
        "Not found in any document",
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


def main(output: Path) -> None:
    database = duckdb.connect()
    database.execute("SET VARIABLE output = $1", [str(output)])
    database.execute((output / "views.sql").read_text())
    console = Console(width=None if sys.stdout.isatty() else 120)
    for title, query in QUERIES:
        result = database.sql(query)
        table = Table(title=title, title_justify="left", show_lines=False)
        for column in result.columns:
            table.add_column(column, overflow="fold")
        for row in result.fetchall():
            table.add_row(*(_cell(value) for value in row))
        console.print(table)
    for page in database.sql(PAGE).fetchall():
        console.rule(f"{page[0]}, page {page[1]}, from {page[2]}")
        console.print(page[3], markup=False, highlight=False)
        console.rule()
    console.print(f"Ask more: cd {output} && duckdb -init views.sql", markup=False, highlight=False)


def _cell(value: Any) -> str:
    return "" if value is None else escape(str(value))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
