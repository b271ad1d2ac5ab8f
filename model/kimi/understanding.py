"""Summaries and answers over a whole document: its pages are one shared prefix, computed once for all that is asked.

Pages are shown as images where they can be had and fit the context, else as the text that was read. A document beyond
the context is summarised in parts, then as a whole; a question about it is asked of the pages that BM25 finds nearest.
What the model quotes is looked up by the pipeline, in the page's own text.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from model.kimi.asking import FRAME_TOKENS, Asked, Asker, Limits, Nearest, Spent, fitting, parts
from model.kimi.conversation import Conversation, Item, Shared
from model.kimi.prompts import ANSWER, JOIN, PAGE, SUMMARIZE
from model.kimi.structured import SummaryForm, parse_answer, parse_summary
from model.protocol import Answer, DocumentText, Evidence, KeyPoint, PageText, Question, Summary

PAGE_LABEL_TOKENS = 8


class Understander:
    def __init__(self, asker: Asker, conversation: Conversation, limits: Limits) -> None:
        self._asker = asker
        self._conversation = conversation
        self._limits = limits
        self._shared: tuple[tuple[str, tuple[int, ...]], Shared] | None = None

    def summarize(self, document: DocumentText) -> Summary:
        """Raises :class:`FormNeverMetError`, ``TruncatedThoughtError``, ``RequestError``."""
        begun, spent = time.perf_counter(), Spent()
        runs = parts(self._costs(document), self._room(self._limits.summary.max_new_tokens))
        if not runs:
            return Summary("", "abstractive")
        chosen = [[document.pages[place] for place in run] for run in runs]
        forms = [self._summary_of(self._share(document, part), spent, self._key(document, part)) for part in chosen]
        points = tuple(
            KeyPoint(point.text, (Evidence(point.quote, page_number=point.page),)) for f in forms for point in f.points
        )
        whole = forms[0].summary
        if len(forms) > 1:
            joined = self._conversation.share([JOIN + "\n\n".join(form.summary for form in forms)])
            whole = self._summary_of(joined, spent, None).summary
        return Summary(whole, "abstractive", points, usage=spent.usage(time.perf_counter() - begun))

    def answer(self, document: DocumentText, questions: Sequence[Question]) -> list[Answer]:
        """Raises as :meth:`summarize` does."""
        costs, room = self._costs(document), self._room(self._limits.answer.max_new_tokens)
        if not costs:
            return [Answer(question.question_id, None, False) for question in questions]
        if len(parts(costs, room)) == 1:
            return self._answers(document, document.pages, questions)
        nearest = Nearest([page.text for page in document.pages])
        found = []
        for question in questions:
            places = fitting(costs, nearest.order(question.text), room)
            found += self._answers(document, [document.pages[place] for place in places], [question])
        return found

    def _answers(
        self, document: DocumentText, pages: Sequence[PageText], questions: Sequence[Question]
    ) -> list[Answer]:
        begun = time.perf_counter()
        shared, key = self._share(document, pages), self._key(document, pages)
        asked = [
            Asked(shared, ANSWER + question.text, self._limits.answer, key, parse_answer) for question in questions
        ]
        answers = []
        for question, one, completion in zip(questions, asked, self._asker.complete(asked), strict=True):
            spent = Spent()
            form, thoughts = self._asker.formed(one, completion, spent)
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

    def _summary_of(self, shared: Shared, spent: Spent, key: str | None) -> SummaryForm:
        return self._asker.form(Asked(shared, SUMMARIZE, self._limits.summary, key, parse_summary), spent)

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

    def _room(self, new_tokens: int) -> int:
        return self._limits.context_tokens - FRAME_TOKENS - new_tokens

    def _costs(self, document: DocumentText) -> list[int]:
        """Tokens that each page takes."""
        if document.pictures is None:
            return [PAGE_LABEL_TOKENS + self._conversation.text_tokens(page.text) for page in document.pages]
        return [
            PAGE_LABEL_TOKENS + self._conversation.image_tokens(page.width_px, page.height_px)
            for page in document.pages
        ]
