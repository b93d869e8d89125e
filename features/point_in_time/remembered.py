"""Compute once: results are kept on the object from which they are computed, for as long as it lives."""

from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Made = TypeVar("Made")
RESULTS = "_results"  # the attribute of the object that holds them, by function and further arguments


def remembered(make: Callable[Given, Made]) -> Callable[Given, Made]:
    """Keep what a function returns on its first argument, once for each combination of further arguments.

    The first argument is immutable, has a ``__dict__`` and need not be hashable (``Known``, ``Records``, ``Schema``);
    the further ones are positional and hashable. No other function can read or replace what is kept.

    >>> class Town: pass
    >>> made = []
    >>> @remembered
    ... def doubled(town, number):
    ...     made.append(number)
    ...     return 2 * number
    >>> town = Town()
    >>> doubled(town, 4), doubled(town, 4), made
    (8, 8, [4])
    """

    @wraps(make)
    def kept(owner: Any, *arguments: Hashable) -> Any:
        results = owner.__dict__.setdefault(RESULTS, {})
        key = (kept, arguments)
        if key not in results:
            results[key] = make(owner, *arguments)  # type: ignore[call-arg, arg-type]
        return results[key]

    return kept  # type: ignore[return-value]
