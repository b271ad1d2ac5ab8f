"""Likeness of tables: tree edit distance (TEDS), which OmniDocBench and KITAB-Bench use.

A table is a tree of rows and cells; a cell that differs costs the share of its characters that do. The distance is that
of Zhang and Shasha; a table of 500 cells takes about a second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString
from rapidfuzz.distance import Levenshtein

_MOST_NODES = 4000


@dataclass(frozen=True, slots=True)
class _Node:
    """``content`` are the characters and inner tags of a cell, in order; empty for other nodes."""

    tag: str
    tall: int | None = None
    wide: int | None = None
    content: tuple[str, ...] = ()
    children: tuple[_Node, ...] = ()


def teds(prediction: str, gold: str) -> float:
    """1 for equal HTML tables, 0 for none alike; only ``td`` cells have text, as in the official code."""
    predicted, true = _table(prediction), _table(gold)
    if predicted is None or true is None:
        return 0.0
    count = max(len(predicted.find_all(True)), len(true.find_all(True)))
    if not count:
        return 1.0
    if count > _MOST_NODES:
        return 0.0
    return 1.0 - tree_distance(_tree(predicted), _tree(true)) / count


def _table(html: str) -> Tag | None:
    found = BeautifulSoup(html, "html.parser").find("table")
    return found if isinstance(found, Tag) else None


def _tree(tag: Tag) -> _Node:
    if tag.name == "td":
        return _Node("td", _span(tag, "rowspan"), _span(tag, "colspan"), tuple(_tokens(tag)))
    return _Node(tag.name, children=tuple(_tree(child) for child in tag.children if isinstance(child, Tag)))


def _span(tag: Tag, name: str) -> int:
    told = str(tag.get(name, "1")).strip()
    return int(told) if told.isdecimal() else 1


def _tokens(tag: Tag) -> Iterator[str]:
    for child in tag.children:
        if isinstance(child, Tag):
            yield f"<{child.name}>"
            yield from _tokens(child)
            yield f"</{child.name}>"
        elif type(child) is NavigableString:
            yield from child


def _replacing(first: _Node, second: _Node) -> float:
    if (first.tag, first.tall, first.wide) != (second.tag, second.tall, second.wide):
        return 1.0
    longest = max(len(first.content), len(second.content))
    return Levenshtein.distance(first.content, second.content) / longest if longest else 0.0


def tree_distance(first: _Node, second: _Node) -> float:
    """Least cost of making one tree the other; a node added or taken away costs 1."""
    nodes, leftmost, roots = _postorder(first)
    others, other_leftmost, other_roots = _postorder(second)
    between = [[0.0] * len(others) for _ in nodes]
    for root in roots:
        for other_root in other_roots:
            _forests(nodes, others, leftmost, other_leftmost, root, other_root, between)
    return between[-1][-1]


def _postorder(root: _Node) -> tuple[list[_Node], list[int], list[int]]:
    """Nodes after their children, each one's leftmost leaf, and the roots of the subtrees that must be compared."""
    nodes: list[_Node] = []
    leftmost: list[int] = []

    def visit(node: _Node) -> int:
        first = -1
        for child in node.children:
            leaf = visit(child)
            first = leaf if first < 0 else first
        nodes.append(node)
        leftmost.append(len(nodes) - 1 if first < 0 else first)
        return leftmost[-1]

    visit(root)
    return nodes, leftmost, sorted({leaf: place for place, leaf in enumerate(leftmost)}.values())


def _forests(
    nodes: Sequence[_Node],
    others: Sequence[_Node],
    leftmost: Sequence[int],
    other_leftmost: Sequence[int],
    root: int,
    other_root: int,
    between: list[list[float]],
) -> None:
    start, other_start = leftmost[root], other_leftmost[other_root]
    above = [float(count) for count in range(other_root - other_start + 2)]
    rows = [above]
    for place in range(start, root + 1):
        row = [rows[-1][0] + 1.0]
        for other in range(other_start, other_root + 1):
            step = other - other_start
            least = min(rows[-1][step + 1] + 1.0, row[step] + 1.0)
            if leftmost[place] == start and other_leftmost[other] == other_start:
                least = min(least, rows[-1][step] + _replacing(nodes[place], others[other]))
                between[place][other] = least
            else:
                held = rows[leftmost[place] - start][other_leftmost[other] - other_start]
                least = min(least, held + between[place][other])
            row.append(least)
        rows.append(row)


def html_tables_of(text: str) -> tuple[str, list[str]]:
    """(the text without its HTML tables, the tables)."""
    pattern = re.compile(r"<table[\s\S]*?</table>", re.I)
    return pattern.sub("", text), pattern.findall(text)
