"""Questions that come while others are answered are answered together.

One thread works. A question that finds it idle is taken at once, alone; those that
come meanwhile wait and are taken together. So a busy service asks the model once for
many people, and an idle one makes nobody wait.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, takewhile
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class Batches(Generic[Asked, Answered]):
    """A queue in front of a function that answers many questions at once."""

    def __init__(
        self,
        answer: Callable[[Sequence[Asked]], Sequence[Answered | Exception]],
        *,
        most: int,
        size: Callable[[Asked], int] = lambda _: 1,
    ) -> None:
        """Wait for questions.

        Args:
            answer: Returns an answer, or what is wrong, for each; runs in a thread.
            most: Size of all questions that are taken at once.
            size: Of a question; one that is larger than ``most`` is taken alone.
        """
        self._answer, self._most, self._size = answer, most, size
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="micrec")
        self._waiting: list[tuple[Asked, asyncio.Future[Answered]]] = []
        self._work: asyncio.Task[None] | None = None

    async def ask(self, question: Asked) -> Answered:
        """Return the answer to a question, or raise what is wrong with it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answered] = loop.create_future()
        self._waiting.append((question, future))
        if self._work is None:
            self._work = asyncio.create_task(self._until_empty())
        return await future

    async def _until_empty(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            sizes = accumulate(self._size(question) for question, _ in self._waiting)
            count = max(1, sum(1 for _ in takewhile(self._most.__ge__, sizes)))
            taken = self._waiting[:count]
            del self._waiting[:count]
            questions = [question for question, _ in taken]
            work = loop.run_in_executor(self._thread, self._answer, questions)
            await asyncio.wait([work])
            error = work.exception()
            found = work.result() if error is None else [error] * len(taken)
            for (_, future), each in zip(taken, found, strict=True):
                if future.done():  # whoever asked has gone
                    continue
                if isinstance(each, BaseException):
                    future.set_exception(each)
                else:
                    future.set_result(each)
        self._work = None
