"""Declared steps, worked on by two threads; each names the results that it takes and those that it gives."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from models.estimators.threads import working_beside

SECOND_THREAD = "second_thread"  # the executor, for a step that hands on work of its own


@dataclass(frozen=True)
class Step:
    """One piece of work.

    gives: name of the result, or names if ``run`` returns a tuple.
    run: takes results by position, in the order of ``takes``.
    stage: under which its seconds count; without one the step runs on the second thread, after the steps declared
        before it there.
    """

    gives: str | tuple[str, ...]
    run: Callable[..., Any]
    takes: tuple[str, ...]
    stage: str | None = None


def run_steps(
    steps: Sequence[Step], given: Mapping[str, Any], seconds: dict[str, float] | None = None
) -> dict[str, Any]:
    """Run the steps and return every result by name, the given ones included.

    Steps with a stage run on this thread in the order in which they are declared; the others run meanwhile, in their
    own order, each on the second thread. What a step raises ends the run.

    steps: each takes only what is given or what a step before it gives
    given: values by name
    seconds: to which the seconds of every stage are added
    """
    results: dict[str, Any] = dict(given)
    beside: list[Future] = []
    with working_beside() as executor:
        results[SECOND_THREAD] = executor
        try:
            for step in steps:
                if step.stage is None:
                    beside.append(_begin(step, results, executor))
                    continue
                _raise_failed(beside)
                start = time.perf_counter()
                _keep(step, step.run(*[_value(results[name]) for name in step.takes]), results)
                if seconds is not None:
                    taken = seconds.get(step.stage, 0.0) + time.perf_counter() - start
                    seconds[step.stage] = round(taken, 2)
            return {name: _value(result) for name, result in results.items() if name != SECOND_THREAD}
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _begin(step: Step, results: dict[str, Any], executor: Executor) -> Future:
    """Hand a step to the second thread, in the language spoken here."""
    taken = [results[name] for name in step.takes]
    context = copy_context()
    future = executor.submit(context.run, lambda: step.run(*(_value(result) for result in taken)))
    assert isinstance(step.gives, str), "a step of the second thread gives one result"
    results[step.gives] = future
    return future


def _keep(step: Step, result: Any, results: dict[str, Any]) -> None:
    if isinstance(step.gives, str):
        results[step.gives] = result
    else:
        results.update(zip(step.gives, result, strict=True))


def _value(result: Any) -> Any:
    while isinstance(result, Future):
        result = result.result()
    return result


def _raise_failed(beside: Sequence[Future]) -> None:
    for future in beside:
        if future.done():
            future.result()
