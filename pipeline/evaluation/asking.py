"""One block of items put to a replica: prompts where it takes prompts, pages to read, or documents and a question.

Pictures are loaded by threads a few items ahead, so that the model does not wait for them. A replica that takes no
prompts (the embedded one) reads an item's pictures or document as pages and answers its bare question from what it
read; what it finds unanswerable is told in the benchmarks' words.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from folioscope.model.completing import Completing, ModelPrompt, ModelReply
from folioscope.model.one_by_one import answer_alone
from folioscope.model.protocol import (
    DocumentText,
    PageInput,
    PageText,
    Question,
    Reading,
    Replica,
    RgbImage,
    SegmentInput,
    Usage,
)
from folioscope.pipeline.decode.pages import DecodedPage, segment_input
from folioscope.pipeline.evaluation.items import Frames, Item
from folioscope.pipeline.evaluation.media import MediaLoader
from folioscope.pipeline.evaluation.predictions import Prediction
from folioscope.pipeline.evaluation.rules.texts import NOT_ANSWERABLE
from folioscope.pipeline.failures import Failure

AHEAD = 6  # items whose pictures are being loaded or wait
DOCUMENTS_HELD = 2
PAGE_BREAK = "\f"

Shown = tuple[str | RgbImage, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A block of items, the pictures of the first of them on their way."""

    read: tuple[Item, ...]
    asked: tuple[Item, ...]
    loading: deque[Future[Shown]]


class Asker:
    """Asks one replica. ``prepare`` may be called by any thread; ``ask`` not by two at once: a model works on one."""

    def __init__(self, replica: Replica, media: MediaLoader) -> None:
        self._replica = replica
        self._media = media
        self._loaders = ThreadPoolExecutor(2, thread_name_prefix="media")
        self._documents: OrderedDict[str, DocumentText] = OrderedDict()

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """Begin to load what the first items show."""
        asked = tuple(item for item in items if item.mode == "ask")
        takes_prompts = isinstance(self._replica, Completing)
        first = asked[:AHEAD] if takes_prompts else ()
        loading = deque(self._loaders.submit(self._media.shown, item) for item in first)
        return Prepared(tuple(item for item in items if item.mode == "read"), asked, loading)

    def ask(self, block: Prepared) -> Iterator[Prediction]:
        """One prediction an item, in any order. What goes wrong with one item stands in its place."""
        for item in block.read:
            yield self._read(item)
        if isinstance(self._replica, Completing):
            yield from self._complete(self._replica, block)
        else:
            for item in block.asked:
                yield self._answer(item)

    def _complete(self, replica: Completing, block: Prepared) -> Iterator[Prediction]:
        failed: deque[Prediction] = deque()
        owed = 0

        def prompts() -> Iterator[ModelPrompt | None]:
            nonlocal owed
            for place, item in enumerate(block.asked):
                loading = block.loading.popleft()
                if place + AHEAD < len(block.asked):
                    block.loading.append(self._loaders.submit(self._media.shown, block.asked[place + AHEAD]))
                while owed and not loading.done():
                    yield None
                try:
                    shown = loading.result()
                except Exception as error:  # noqa: BLE001  decoders may raise anything; it becomes this item's failure
                    failed.append(Prediction(item.key, None, _told(error)))
                    continue
                owed += 1
                yield ModelPrompt(item.key, shown, item.max_new_tokens)

        for reply in replica.complete(prompts()):
            owed -= 1
            while failed:
                yield failed.popleft()
            yield _of_reply(reply)
        yield from failed

    def _read(self, item: Item) -> Prediction:
        used = Usage()
        texts: list[str] = []
        try:
            for page, reading in self._readings(item):
                if isinstance(reading, Exception):
                    return Prediction(item.key, None, _told(reading))
                texts.append(reading.text)
                used = _sum(used, reading.usage)
                del page
        except Exception as error:  # noqa: BLE001  as above
            return Prediction(item.key, None, _told(error))
        return Prediction(item.key, PAGE_BREAK.join(texts), None, used.input_tokens, used.output_tokens, used.seconds)

    def _readings(self, item: Item) -> Iterator[tuple[DecodedPage, Reading | Exception]]:
        """Pages and what was read of them; a batch is decoded while the one before it is read. Raises Failure."""
        batches = self._media.pages(item)
        coming: Future[list[DecodedPage] | None] = self._loaders.submit(_next_pages, batches)
        while (pages := coming.result()) is not None:
            coming = self._loaders.submit(_next_pages, batches)
            inputs: list[SegmentInput | None] = [segment_input(page) for page in pages]
            yield from zip(pages, self._replica.read(inputs), strict=True)

    def _answer(self, item: Item) -> Prediction:
        try:
            document = self._document(item)
            answer = answer_alone(self._replica, document, Question(item.item_id, item.question))
        except Exception as error:  # noqa: BLE001  as above
            return Prediction(item.key, None, _told(error))
        text = answer.text if answer.answerable and answer.text else NOT_ANSWERABLE
        used = answer.usage
        return Prediction(item.key, text, None, used.input_tokens, used.output_tokens, used.seconds)

    def _document(self, item: Item) -> DocumentText:
        """What the item shows, read as a document's pages; the last few documents are kept."""
        name = "\0".join(repr(part) for part in item.parts if not hasattr(part, "text"))
        if name in self._documents:
            self._documents.move_to_end(name)
            return self._documents[name]
        document = DocumentText(item.cluster or item.item_id, item.item_id, None, tuple(self._page_texts(item)))
        self._documents[name] = document
        if len(self._documents) > DOCUMENTS_HELD:
            self._documents.popitem(last=False)
        return document

    def _page_texts(self, item: Item) -> Iterator[PageText]:
        if any(isinstance(part, Frames) for part in item.parts):
            shown = [one for one in self._media.shown(item) if not isinstance(one, str)]
            inputs: list[SegmentInput | None] = [
                PageInput(number, image.shape[1], image.shape[0], image, None)
                for number, image in enumerate(shown, start=1)
            ]
            for number, reading in enumerate(self._replica.read(inputs), start=1):
                if isinstance(reading, Reading):
                    yield PageText(number, reading.text, reading.blocks, reading.language)
            return
        for page, reading in self._readings(item):
            if isinstance(reading, Reading):
                yield PageText(page.page_number, reading.text, reading.blocks, reading.language)


def _next_pages(batches: Iterator[object]) -> list[DecodedPage] | None:
    """Raises Failure where a page cannot be had."""
    batch = next(batches, None)
    if batch is None:
        return None
    assert isinstance(batch, list)
    for page in batch:
        if not isinstance(page, DecodedPage):
            raise page.failure
    return batch


def _of_reply(reply: ModelReply) -> Prediction:
    used = reply.usage
    error = None if reply.error is None else _told(reply.error)
    return Prediction(reply.key, reply.text, error, used.input_tokens, used.output_tokens, used.seconds)


def _told(error: Exception) -> str:
    return error.message if isinstance(error, Failure) else f"{type(error).__name__}: {error}"


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.input_tokens + other.input_tokens, one.output_tokens + other.output_tokens, one.seconds + other.seconds
    )
