"""What an ingest found that somebody should look at: by table and column, with what to do about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from features.language import joined_names, say

EXAMPLES = 3  # values shown of those that were not understood


class Weight(IntEnum):
    """How much a finding matters; the heaviest are told first."""

    NOTE = 0  # to know; nothing is lost
    LOOK = 1  # read, but perhaps not as it was meant
    LOST = 2  # rows, columns or cells that nothing uses
    PROTECT = 3  # something that protects a resident was not understood


@dataclass(frozen=True)
class Finding:
    """One thing that was found: where, what, in how many rows, with examples, and what to do."""

    weight: Weight
    where: str  # file or table
    what: str
    todo: str = ""
    rows: int = 0
    examples: tuple[str, ...] = ()  # cells, masked here: findings are printed, logged and written into pages

    def __post_init__(self) -> None:
        """Mask personal data in the examples, wherever they come from."""
        object.__setattr__(self, "examples", shown_cells(self.examples))

    def line(self) -> str:
        """The finding as one line."""
        number = say(f"，共 {self.rows} 处", f" ({self.rows} in all)") if self.rows else ""
        shown = say("：", ": ") + joined_names(self.examples) if self.examples else ""
        todo = f"{say('；', '; ')}{self.todo}" if self.todo else ""
        return f"{self.where}: {self.what}{shown}{number}{todo}"


def shown_cells(cells: Iterable[str]) -> tuple[str, ...]:
    """Return cells of an office's tables as they may be shown: without names, numbers and doors of persons.

    >>> shown_cells(["租房", "电话13812345678"])
    ('租房', '电话［电话］')
    """
    shown = tuple(map(str, cells))
    if shown:
        # its patterns take a quarter of a second to compile, and most commands show no cell
        from features.masking.mask import mask_text

        shown = tuple(map(mask_text, shown))
    return shown


def line_words(lines: Sequence[int]) -> str:
    """The first of some lines of a file in words.

    >>> line_words([3, 5, 9, 12])
    '第 3、5、9… 行'
    """
    shown = joined_names(lines[:EXAMPLES]) + ("…" if len(lines) > EXAMPLES else "")
    return say(f"第 {shown} 行", f"line {shown}")


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, heaviest first, then those of most rows."""
    return sorted(findings, key=lambda finding: (-finding.weight, -finding.rows))
