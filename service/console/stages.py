"""How the steps of a command are shown."""

from collections.abc import Callable
from contextlib import AbstractContextManager

Stage = Callable[[str], AbstractContextManager[None]]  # shows a step by its name while it runs
