"""Summaries and answers over a stream of documents and videos, so that the engine is full across all of them.

Each asset's summary and questions are steps of their own, all with the engine at once; they share the segments that
they look at, which are prepared once, by threads beside the engine, and computed once by engines that share prefixes.
What was shared is let go when the last step that looks at it has ended. Memory is that of ``PICTURES_HELD`` pictures
(some 16 MB each for a page), whatever the number of assets and questions.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from folioscope.model.engine.interface import Completion, Engine, clearing
from folioscope.model.kimi.asking import Asked, Inquiry, Segments, Steps
from folioscope.model.kimi.conversation import Conversation, Prompt, Shared, request_for
from folioscope.model.kimi.in_flight import Flow, InFlightAsset, Part, Result, Step, Wanted
from folioscope.model.protocol import AssetTasks, Understanding

BACKLOG = 1.5  # requests that are with the engine or on their way to it, for each that it serves at once
PICTURES_HELD = 256
PREPARERS = 2
PICTURE_LOADERS = 4
PATIENCE = 0.05  # seconds that the engine is left alone for, where nothing is ready for it


class Understander:
    def __init__(
        self,
        engine: Engine,
        conversation: Conversation,
        inquiry_of: Callable[[AssetTasks], Inquiry],
        *,
        schemas: bool = True,
    ) -> None:
        """``inquiry_of`` says how a model is asked; with ``schemas`` engines that can enforce the form of an answer."""
        self._schemas = schemas
        self._engine = engine
        self._conversation = conversation
        self._inquiry_of = inquiry_of
        self._number = 0
        self._threads = ThreadPoolExecutor(PREPARERS, thread_name_prefix="understand")
        self._loaders = ThreadPoolExecutor(PICTURE_LOADERS, thread_name_prefix="pictures")

    def understand(self, coming: Iterable[AssetTasks | None]) -> Iterator[Understanding]:
        """See :meth:`folioscope.model.protocol.Replica.understand`."""
        flow = Flow(iter(coming))
        since = time.perf_counter()
        try:
            with clearing(self._engine):
                while self._take_in(flow) or flow.open:
                    self._begin_planned(flow)
                    self._prepare(flow)
                    self._submit(flow)
                    if flow.asked:
                        for completion in self._engine.step():
                            self._take(flow, completion)
                    else:
                        wait(flow.being_made, PATIENCE, FIRST_COMPLETED)
                    for asset in [asset for asset in flow.open if asset.done]:
                        flow.open.remove(asset)
                        now = time.perf_counter()
                        yield asset.understanding(now - since)
                        since = now
        finally:
            self._abandon(flow)

    def _take_in(self, flow: Flow) -> bool:
        """Take assets as there is room and as they are ready; False once all are taken."""
        while not flow.ended:
            if flow.on_their_way >= BACKLOG * self._engine.most_sequences:
                break
            if flow.open and flow.pictures >= PICTURES_HELD:
                break
            try:
                asked = next(flow.coming)
            except StopIteration:
                flow.ended = True
                break
            if asked is None:
                break
            inquiry = self._inquiry_of(asked)
            flow.open.append(InFlightAsset(asked, inquiry, self._threads.submit(inquiry.prepare)))
        return not flow.ended

    def _begin_planned(self, flow: Flow) -> None:
        for asset in flow.open:
            if asset.steps is None and asset.prepared.done():
                asset.steps = self._steps(asset)
                for step in asset.steps:
                    self._advance(flow, asset, step)

    def _steps(self, asset: InFlightAsset) -> list[Step]:
        error = asset.prepared.exception()
        if isinstance(error, Exception):
            tasks = int(asset.asked.summarize) + len(asset.asked.questions)
            return [Step(_raising(error)) for _ in range(tasks)]
        asset.prepared.result()  # anything else than an exception of the task's goes on up
        return [Step(steps) for steps in asset.inquiry.steps()]

    def _advance(
        self, flow: Flow, asset: InFlightAsset, step: Step, news: Completion | Exception | None = None
    ) -> None:
        """Let a step go on with what it waited for, until it asks again or ends."""
        try:
            if isinstance(news, Exception):
                asked = step.steps.throw(news)
            elif news is None:
                asked = next(step.steps)
            else:
                asked = step.steps.send(news)
        except StopIteration as ended:
            step.result = ended.value
        except Exception as error:  # noqa: BLE001  whatever a task raises stands in its place
            step.result = error
        else:
            flow.wanted.append(Wanted(asset, step, asked))
            if step.part is not None and step.part.places != asked.places:
                self._leave(asset, step)
            return
        self._leave(asset, step)

    def _prepare(self, flow: Flow) -> None:
        """Have prompts made by threads, as long as their pictures are held already or there is room for them."""
        left: deque[Wanted] = deque()
        while flow.wanted:
            wanted = flow.wanted.popleft()
            if self._has_part(flow, wanted):
                made = self._threads.submit(self._prompt, wanted.step.part, wanted.asked)
                flow.preparing[made] = wanted
            else:
                left.append(wanted)
        flow.wanted = left

    def _has_part(self, flow: Flow, wanted: Wanted) -> bool:
        asset, step, places = wanted.asset, wanted.step, wanted.asked.places
        if not places or step.part is not None:
            return True
        part = asset.parts.get(places)
        if part is None:
            segments = asset.inquiry.segments
            held, more = flow.pictures, len(places) if segments.shows_pictures else 0
            if held and held + more > PICTURES_HELD:
                return False
            numbers = ",".join(str(segments.numbers[place]) for place in places)
            shared = self._threads.submit(self._share, segments, places)
            part = asset.parts[places] = Part(places, f"{segments.asset_id}:{numbers}", more, shared)
        part.users += 1
        step.part = part
        return True

    def _share(self, segments: Segments, places: tuple[int, ...]) -> Shared:
        """Segments ready for prompts; several pictures are fetched and cut at once."""

        def one(place: int) -> Shared:
            return self._conversation.share(list(segments.items(place)))

        return Shared(tuple(item for shared in self._loaders.map(one, places) for item in shared.items))

    def _prompt(self, part: Part | None, asked: Asked[object]) -> Prompt:
        # The part was given to the same threads before, so that some thread is at it or done with it.
        shared = part.shared.result() if part is not None else Shared(())
        return self._conversation.prompt(shared, asked.text, *asked.exchanges)

    def _submit(self, flow: Flow) -> None:
        for made in [made for made in flow.preparing if made.done()]:
            wanted = flow.preparing.pop(made)
            self._number += 1
            key, part = f"understand-{self._number}", wanted.step.part
            try:
                request = request_for(
                    self._conversation,
                    key,
                    made.result(),
                    wanted.asked.sampling,
                    prefix_key=part.key if part is not None else None,
                    schema=wanted.asked.schema if self._schemas else None,
                )
                self._engine.submit(request)
            except Exception as error:  # noqa: BLE001  pictures may raise anything, and a request may never fit
                self._advance(flow, wanted.asset, wanted.step, error)
                continue
            flow.asked[key] = wanted

    def _take(self, flow: Flow, completion: Completion) -> None:
        wanted = flow.asked.pop(completion.key)
        self._advance(flow, wanted.asset, wanted.step, completion)

    def _leave(self, asset: InFlightAsset, step: Step) -> None:
        """A step no longer looks at its part; the last one to leave lets it go."""
        part, step.part = step.part, None
        if part is None:
            return
        part.users -= 1
        if not part.users:
            del asset.parts[part.places]
            if part.key is not None:
                self._engine.forget(part.key)

    def _abandon(self, flow: Flow) -> None:
        """Leave nothing behind where the call ended early."""
        for made in flow.preparing:
            made.cancel()
        for asset in flow.open:
            asset.prepared.cancel()
            for part in asset.parts.values():
                part.shared.cancel()
                if part.key is not None:
                    self._engine.forget(part.key)


def _raising(error: Exception) -> Steps[Result]:
    raise error
    yield  # makes it a generator
