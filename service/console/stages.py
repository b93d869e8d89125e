"""The type of functions that show the steps of a command."""

from collections.abc import Callable
from contextlib import AbstractContextManager

Stage = Callable[[str], AbstractContextManager[None]]  # shows a step by its name while it runs
