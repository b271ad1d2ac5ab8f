"""Summaries and answers over a whole document: its pages are one shared prefix, computed once for all that is asked.

Pages are shown as images where they can be had and fit the context, else as the text that was read. A document beyond
the context is summarised in parts, then as a whole; a question about it is asked of the pages that BM25 finds nearest.
What the model quotes is looked up by the pipeline, in the page's own text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from model.engine.interface import Completion, Engine, Request, Sampling, complete_in_order
from model.kimi.conversation import Conversation, Item, Prompt, Shared
from model.kimi.prompts import ANSWER, JOIN, PAGE, REPAIR, SUMMARIZE
from model.kimi.structured import AnswerForm, FormError, SummaryForm, parse_answer, parse_summary
from model.protocol import (
    Answer,
    AssetText,
    DocumentText,
    Evidence,
    FilmText,
    KeyPoint,
    PageText,
    Question,
    Summary,
    Usage,
)
from model.words import tokens as words_of

FRAME_TOKENS = 512  # chat layout, task and question beside the pages
PAGE_LABEL_TOKENS = 8
Form = TypeVar("Form", AnswerForm, SummaryForm)


class FormNeverMetError(RuntimeError):
    """The model did not give the form asked for, not even when told what was wrong."""


@dataclass(frozen=True, slots=True)
class Limits:
    """``context_tokens`` is what one request may hold, prompt and answer."""

    context_tokens: int
    summary: Sampling
    answer: Sampling


@dataclass(slots=True)
class _Spent:
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, completion: Completion) -> None:
        self.input_tokens += completion.computed_tokens
        self.output_tokens += len(completion.ids)

    def usage(self, seconds: float) -> Usage:
        return Usage(self.input_tokens, self.output_tokens, seconds)


@dataclass(frozen=True, slots=True)
class _Prompted:
    """What was asked: enough to ask it once more."""

    shared: Shared
    asked: str
    sampling: Sampling
    key: str | None


class Understander:
    def __init__(self, engine: Engine, conversation: Conversation, limits: Limits) -> None:
        self._engine = engine
        self._conversation = conversation
        self._limits = limits
        self._number = 0
        self._shared: tuple[tuple[str, tuple[int, ...]], Shared] | None = None

    def summarize(self, document: AssetText) -> Summary:
        """Raises :class:`FormNeverMetError`, ``TruncatedThoughtError``, ``RequestError``."""
        if isinstance(document, FilmText):
            raise NotImplementedError("films")
        begun, spent = time.perf_counter(), _Spent()
        parts = list(self._parts(document, self._limits.summary.max_new_tokens))
        if not parts:
            return Summary("", "abstractive")
        forms = [self._summary_of(self._share(document, part), spent, self._key(document, part)) for part in parts]
        points = tuple(
            KeyPoint(point.text, (Evidence(point.quote, page_number=point.page),)) for f in forms for point in f.points
        )
        whole = forms[0].summary
        if len(forms) > 1:
            joined = self._conversation.share([JOIN + "\n\n".join(form.summary for form in forms)])
            whole = self._summary_of(joined, spent, None).summary
        return Summary(whole, "abstractive", points, usage=spent.usage(time.perf_counter() - begun))

    def answer(self, document: AssetText, questions: Sequence[Question]) -> list[Answer]:
        """Raises as :meth:`summarize` does."""
        if isinstance(document, FilmText):
            raise NotImplementedError("films")
        parts = list(self._parts(document, self._limits.answer.max_new_tokens))
        if not parts:
            return [Answer(question.question_id, None, False) for question in questions]
        if len(parts) == 1:
            return self._answers(document, parts[0], questions)
        nearest = _Nearest(document.pages)
        found = []
        for question in questions:
            pages = self._fitting(document, nearest.order(question.text), self._limits.answer.max_new_tokens)
            found += self._answers(document, pages, [question])
        return found

    def _answers(
        self, document: DocumentText, pages: Sequence[PageText], questions: Sequence[Question]
    ) -> list[Answer]:
        begun = time.perf_counter()
        shared, key = self._share(document, pages), self._key(document, pages)
        prompts = [self._conversation.prompt(shared, ANSWER + question.text) for question in questions]
        completions = complete_in_order(
            self._engine, [self._request(prompt, self._limits.answer, key) for prompt in prompts]
        )
        answers = []
        for question, completion in zip(questions, completions, strict=True):
            spent = _Spent()
            prompted = _Prompted(shared, ANSWER + question.text, self._limits.answer, key)
            form, thoughts = self._formed(prompted, completion, parse_answer, spent)
            seconds = (time.perf_counter() - begun) / len(questions)
            evidence = (Evidence(form.quote or "", page_number=form.page),) if form.answerable else ()
            answers.append(
                Answer(
                    question.question_id,
                    form.answer,
                    form.answerable,
                    float(np.exp(completion.mean_logprob)),
                    evidence,
                    thoughts,
                    spent.usage(seconds),
                )
            )
        return answers

    def _formed(
        self, prompted: _Prompted, completion: Completion, parse: Callable[[str], Form], spent: _Spent
    ) -> tuple[Form, str | None]:
        """(form, thoughts) of a completion; told what is wrong with it, the model may repair it once."""
        spent.add(completion)
        said, thoughts = self._conversation.answer(completion)
        try:
            return parse(said), thoughts
        except FormError as error:
            problem = str(error)
        prompt = self._conversation.prompt(prompted.shared, prompted.asked, said, REPAIR.format(problem=problem))
        [repaired] = complete_in_order(self._engine, [self._request(prompt, prompted.sampling, prompted.key)])
        spent.add(repaired)
        said, _ = self._conversation.answer(repaired)
        try:
            return parse(said), thoughts
        except FormError as error:
            raise FormNeverMetError(f"the model's answer is not of the form asked for, twice: {error}") from error

    def _summary_of(self, shared: Shared, spent: _Spent, key: str | None) -> SummaryForm:
        prompted = _Prompted(shared, SUMMARIZE, self._limits.summary, key)
        prompt = self._conversation.prompt(shared, SUMMARIZE)
        [completion] = complete_in_order(self._engine, [self._request(prompt, prompted.sampling, key)])
        return self._formed(prompted, completion, parse_summary, spent)[0]

    def _request(self, prompt: Prompt, sampling: Sampling, key: str | None) -> Request:
        self._number += 1
        return Request(
            f"understand-{self._number}",
            prompt.ids,
            sampling,
            self._conversation.stop_ids,
            prompt.pictures,
            prefix_key=key,
            prefix_tokens=prompt.shared if key is not None else 0,
        )

    def _share(self, document: DocumentText, pages: Sequence[PageText]) -> Shared:
        """The pages as the beginning of a prompt; those last prepared are kept for the next task on the document."""
        name = (document.asset_id, tuple(page.page_number for page in pages))
        if self._shared is None or self._shared[0] != name:
            items: list[Item] = []
            for page in pages:
                items.append(PAGE.format(number=page.page_number))
                items.append(page.text if document.pictures is None else document.pictures(page.page_number))
            self._shared = (name, self._conversation.share(items))
        return self._shared[1]

    @staticmethod
    def _key(document: DocumentText, pages: Sequence[PageText]) -> str:
        return f"{document.asset_id}:{','.join(str(page.page_number) for page in pages)}"

    def _parts(self, document: DocumentText, new_tokens: int) -> Iterator[list[PageText]]:
        """The pages in runs that fit one request each, in order; one run where the whole document fits."""
        rest = list(document.pages)
        while rest:
            part = self._fitting(document, rest, new_tokens, in_order=True)
            yield part
            rest = rest[len(part) :]

    def _fitting(
        self, document: DocumentText, pages: Sequence[PageText], new_tokens: int, *, in_order: bool = False
    ) -> list[PageText]:
        """The first of these pages, as many as fit, in page order; one at least."""
        room = self._limits.context_tokens - FRAME_TOKENS - new_tokens
        chosen: list[PageText] = []
        for page in pages:
            room -= PAGE_LABEL_TOKENS + self._page_tokens(document, page)
            if chosen and room < 0:
                if in_order:
                    break
                continue
            chosen.append(page)
        return sorted(chosen, key=lambda page: page.page_number)

    def _page_tokens(self, document: DocumentText, page: PageText) -> int:
        if document.pictures is None:
            return self._conversation.text_tokens(page.text)
        return self._conversation.image_tokens(page.width_px, page.height_px)


class _Nearest:
    """Pages of one document by their nearness to a question, over the text that was read."""

    def __init__(self, pages: Sequence[PageText]) -> None:
        import bm25s  # not before the engine is made: it loads numba, over which vLLM 0.32 stumbles on the CPU

        self._pages = list(pages)
        self._index = bm25s.BM25()
        self._index.index([words_of(page.text) or ["\0"] for page in pages], show_progress=False)

    def order(self, question: str) -> list[PageText]:
        known = [word for word in words_of(question) if word in self._index.vocab_dict]
        if not known:
            return self._pages
        scores = self._index.get_scores(known)
        return [self._pages[int(n)] for n in np.argsort(-scores, kind="stable")]
