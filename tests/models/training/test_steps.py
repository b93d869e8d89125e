"""Declared steps: what they give, in which order, and what happens when one of them fails."""

import threading
from concurrent.futures import Executor

import pytest

from features.language import language, speaking
from models.training.retrain import LEARN, SAMPLE
from models.training.steps import SECOND_THREAD, Step, run_steps
from service.cli.model_commands import STAGES


def test_results_are_taken_by_name_across_threads():
    steps = (
        Step("double", lambda number: 2 * number, ("number",)),
        Step(("less", "more"), lambda number: (number - 1, number + 1), ("number",), "first"),
        Step("sum", lambda double, more: double + more, ("double", "more")),
        Step("text", str, ("sum",), "last"),
    )
    seconds: dict[str, float] = {}
    found = run_steps(steps, {"number": 5}, seconds)
    assert found == {"number": 5, "double": 10, "less": 4, "more": 6, "sum": 16, "text": "16"}
    assert list(seconds) == ["first", "last"]


def test_steps_without_a_stage_run_on_one_other_thread_in_their_order():
    where: list[tuple[str, int]] = []

    def note(name: str) -> None:
        where.append((name, threading.get_ident()))

    steps = [Step(name, lambda name=name: note(name), ()) for name in "abc"]
    run_steps([*steps, Step("d", lambda: note("d"), (), "here")], {})
    assert [name for name, _ in where if name != "d"] == ["a", "b", "c"]
    threads = dict(where)
    assert len({threads[name] for name in "abc"}) == 1
    assert threads["d"] == threading.get_ident() != threads["a"]


def test_a_step_may_hand_work_to_the_second_thread_itself():
    def hand_on(executor: Executor):
        return executor.submit(lambda: 7)

    steps = (
        Step("later", hand_on, (SECOND_THREAD,), "here"),
        Step("one_more", lambda seven: seven + 1, ("later",)),
    )
    assert run_steps(steps, {})["one_more"] == 8


def test_what_fails_on_the_second_thread_ends_the_run_before_the_next_stage():
    done = []

    def wait_for_it() -> None:
        failed.wait(10)

    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise ValueError("no registry")

    steps = (
        Step("bad", fail, ()),
        Step("trees", wait_for_it, (), "trees"),
        Step("waits", lambda bad: bad, ("bad",)),
        Step("more", lambda waits: done.append(waits), ("waits",), "more"),
    )
    with pytest.raises(ValueError, match="no registry"):
        run_steps(steps, {})
    assert not done


def test_the_second_thread_speaks_the_same_language():
    with speaking("en"):
        assert run_steps([Step("language", language, ())], {})["language"] == "en"


def test_every_step_of_a_retrain_takes_only_what_is_there_before_it():
    there = {"records", "known", "how", "seed", "champion", SECOND_THREAD}
    for step in (*SAMPLE, *LEARN):
        assert set(step.takes) <= there, step.gives
        gives = {step.gives} if isinstance(step.gives, str) else set(step.gives)
        assert not gives & there, "each result has one step that gives it"
        there |= gives
    assert {step.stage for step in (*SAMPLE, *LEARN)} - {None} == {*STAGES}, "each stage has its words"
