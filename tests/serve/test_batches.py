"""Questions that are answered together get what each would get alone."""

import asyncio
import threading

import pytest
from serve.conftest import GOLDEN

from micrec_pyg.schema import InputError
from micrec_pyg.serve.batches import Batches
from micrec_pyg.serve.lists import answer_together, asked_of
from micrec_pyg.serve.questions import Recommend
from micrec_pyg.serve.shelf import load_served

QUESTIONS = [
    {"users": ["u1", "u7"], "domain": "food", "k": 3},
    {"users": ["u7"], "domain": "food", "k": 5},
    {"users": ["u7"], "domain": "kitchen", "k": 5},
    {"users": ["u7"], "domain": "food", "k": 5, "exclude_seen": False},
    {"users": ["nobody"], "domain": "food", "k": 5},
    {"users": ["u20"], "domain": "food", "items": ["food1", "food2", "food3"]},
    {"history": {"food": ["food1", "food2"]}, "domain": "food", "k": 4},
    {"history": {"kitchen": ["kitchen1"]}, "domain": "food", "k": 2},
    {"history": {}, "domain": "food", "k": 6},
    {"history": {"food": []}, "domain": "food", "k": 6},
    {"history": {"food": ["nothing"]}, "domain": "food", "k": 6},
    {"history": {"food": ["food4"]}, "domain": "food", "items": ["food7", "food8"]},
]


def test_together_as_alone():
    served = load_served("golden", GOLDEN)
    asked = [asked_of(served, Recommend(**question)) for question in QUESTIONS]
    together = answer_together(asked)
    for question, each, found in zip(QUESTIONS, asked, together, strict=True):
        (alone,) = answer_together([each])
        if isinstance(alone, InputError):
            assert str(found) == str(alone), question
            assert "no" in str(found)
            continue
        assert [lst.user for lst in found.lists] == [lst.user for lst in alone.lists]
        for mine, own in zip(found.lists, alone.lists, strict=True):
            assert [row.item for row in mine.rows] == [row.item for row in own.rows]
            assert [row.reason for row in mine.rows] == [row.reason for row in own.rows]
            scores = [row.score for row in own.rows]
            assert [row.score for row in mine.rows] == pytest.approx(scores, abs=1e-6)
            assert len(mine.rows) <= each.question.k


def test_what_comes_meanwhile_is_taken_together():
    sizes, gate = [], threading.Event()

    def answer(numbers):
        sizes.append(len(numbers))
        gate.wait(10)
        return [InputError("odd") if number % 2 else -number for number in numbers]

    async def ask_all():
        batches = Batches(answer, most=4)
        first = asyncio.create_task(batches.ask(0))
        while not sizes:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batches.ask(n)) for n in range(1, 8)]
        await asyncio.sleep(0.01)
        others[1].cancel()  # whoever asked has gone
        gate.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    found = asyncio.run(ask_all())
    assert sizes == [1, 4, 3]
    assert [found[n] for n in (0, 4, 6)] == [0, -4, -6]
    assert [str(found[n]) for n in (1, 3, 5, 7)] == ["odd"] * 4
    assert isinstance(found[2], asyncio.CancelledError)


def test_an_unexpected_error_of_one_question_spoils_no_other(monkeypatch):
    served = load_served("golden", GOLDEN)
    real = served.rec.recommend

    def recommend(*, users, **rest):
        return 1 / 0 if "u7" in users else real(users=users, **rest)

    monkeypatch.setattr(served.rec, "recommend", recommend)
    questions = [{"users": [user], "domain": "food", "k": 3} for user in ("u1", "u7")]
    good, bad = answer_together([asked_of(served, Recommend(**q)) for q in questions])
    assert [row.rank for row in good.lists[0].rows] == [1, 2, 3]
    assert isinstance(bad, ZeroDivisionError)


def test_questions_that_are_taken_together_have_a_size():
    sizes, gate = [], threading.Event()

    def answer(numbers):
        sizes.append(list(numbers))
        gate.wait(10)
        return numbers

    async def ask_all():
        batches = Batches(answer, most=10, size=lambda number: number)
        first = asyncio.create_task(batches.ask(1))
        while not sizes:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batches.ask(n)) for n in (4, 6, 1, 99, 2)]
        await asyncio.sleep(0.01)
        gate.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(ask_all()) == [1, 4, 6, 1, 99, 2]
    assert sizes == [[1], [4, 6], [1], [99], [2]]


def test_an_unexpected_error_reaches_everybody_and_the_next_is_answered():
    def answer(numbers):
        return [1 // number for number in numbers]

    async def ask_all():
        batches = Batches(answer, most=4)
        found = await asyncio.gather(
            *(batches.ask(number) for number in (0, 0)), return_exceptions=True
        )
        return found, await batches.ask(1)

    faults, after = asyncio.run(ask_all())
    assert all(isinstance(fault, ZeroDivisionError) for fault in faults)
    assert after == 1
