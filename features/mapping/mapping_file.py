"""How a ledger is read, kept as a small YAML beside it that people can change, and found again for next month's file."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from features.atomic import write_atomically
from features.contract.settings_text import read_yaml
from features.contract.table_names import names_refusal
from features.language import UserError, say
from features.mapping.field_names import FIELDS
from features.mapping.ledger_sheets import LedgerSheet

ENDING = ".mapping.yaml"
KEPT = Path("ledgers") / "mappings"  # of the workspace
Shape = Literal["requests", "visits", "days", "persons", "households", "warnings", "refusals"]
SHAPES: dict[str, tuple[str, str]] = {
    "requests": ("一行一件诉求", "a row a request"),
    "visits": ("一行一次走访", "a row a visit"),
    "days": ("一行一天，一格里有多户", "a row a day, with many doors in one cell"),
    "persons": ("一行一人（登记表）", "a row a person (register)"),
    "households": ("一行一户（登记表）", "a row a household (register)"),
    "warnings": ("一行一条预警", "a row a warning from above"),
    "refusals": ("一行一户谢绝走访", "a row a household that refuses visits"),
}
_VARYING = re.compile(
    r"\d{4}\s*[-年./_]?\s*(?:1[0-2]|0?[1-9])?\s*月?(?:\s*[-./_]?\s*[0-3]?\d\s*[日号]?)?|(?:1[0-2]|0?[1-9])\s*月份?|第?\d+[周期季]度?|\(\d+\)|（\d+）|\d+"
)

_LIST = re.compile("名单|名册|清单|登记|统计|台账|情况|表$|户$")  # in a title
_TIMES = r"[\d年月日份第周期季度至到.\-_~\s()（）]*"


class Layout(BaseModel):
    """How the sheets with one header are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shape: Shape
    columns: dict[str, str] = Field(min_length=1)  # field by column, in the header's order
    sheets: tuple[str, ...] = ()  # for people: where this header stood
    carried_down: tuple[str, ...] = ()  # columns whose blanks repeat the cell above
    split_tags: str = "、,，;；/|+┋ "  # signs between the tags of a cell
    day_of_month: Literal["", "last"] = ""  # rows without a day count as of their month's last day
    valid_from: str = ""  # of a register without dates: the day from which it holds

    @field_validator("columns")
    @classmethod
    def _known_fields(cls, value: dict[str, str]) -> dict[str, str]:
        for column, field in value.items():
            if field not in FIELDS:
                names = ", ".join(FIELDS)
                raise ValueError(
                    say(
                        f"列 {column}：{field} 不是下列之一：{names}",
                        f"column {column}: {field} is none of {names}",
                    )
                )
        return value

    @property
    def header(self) -> tuple[str, ...]:
        """Return the names of the columns in the order in which they stood."""
        return tuple(self.columns)

    def named(self, *fields: str) -> list[str]:
        """Return the columns that stand for one of the fields, in the header's order."""
        return [column for column in self.header if self.columns.get(column) in fields]


class Mapping(BaseModel):
    """How a ledger's sheets are read; ``files`` is a pattern that next month's file matches too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: str
    layouts: tuple[Layout, ...] = Field(min_length=1)
    unread_sheets: tuple[str, ...] = ()

    def layout_of(self, sheet: LedgerSheet) -> Layout | None:
        """Return the layout with a sheet's header, in whatever order its columns stand; None where there is none."""
        header = sorted(filter(None, sheet.names))
        return next((layout for layout in self.layouts if sorted(layout.header) == header), None)


def lists_refusals(path: Path, sheet: LedgerSheet) -> bool:
    """Whether a sheet, its title or its file is called a list of those who refuse visits."""
    titles = [title for title in sheet.title.split() if _LIST.search(title)]
    return any(map(names_refusal, [path.stem, sheet.name, *titles]))


def file_pattern(name: str) -> str:
    """Return the pattern that a ledger's name has in every month: what tells the time becomes ``*``.

    >>> file_pattern("走访台账2025年3月.xlsx"), file_pattern("12345工单（2025.04）.csv"), file_pattern("台账.xlsx")
    ('走访台账*.xlsx', '12345工单*.csv', '台账.xlsx')
    """
    stem, suffix = Path(name).stem, Path(name).suffix
    stem = re.sub(r"^12345|(?<!\d)12345(?!\d)", "\0", stem)
    stem = re.sub(r"[（(]\s*\*+\s*[)）]", "*", _VARYING.sub("*", stem))
    stem = re.sub(r"[*\s_\-.~至到]*\*[*\s_\-.~]*", "*", stem)
    return (stem.replace("\0", "12345") or "*") + suffix.lower()


def mapping_path(path: Path) -> Path:
    """Return where the mapping of a ledger is kept beside it."""
    pattern = file_pattern(path.name)
    return path.with_name(Path(pattern).stem.replace("*", "") + ENDING)


def read_mapping(path: Path) -> Mapping:
    """Read a mapping. Raises UserError with one line that names file and key where it cannot be used."""
    value = read_yaml(path)
    try:
        return Mapping.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}") from error


def write_mapping(path: Path, mapping: Mapping) -> None:
    """Write a mapping as YAML that people can change."""
    head = say(
        "# 这份台账怎样读。每列右边写它是什么（见 docs/ledgers.zh-CN.md），不要的写 ignored；改完保存即可。\n",
        "# How this ledger is read. Beside each column stands its field (see docs/ledgers.md); ignored: not read.\n",
    )
    content: dict[str, Any] = mapping.model_dump(mode="json", exclude_defaults=True)
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120)
    write_atomically(path, (head + text).encode())


def with_earlier(path: Path, mapping: Mapping) -> tuple[Path, Mapping]:
    """Return where a mapping is to be kept, with the layouts of earlier months that it does not name itself.

    Another ledger of the same name, such as a CSV beside a workbook, keeps its own file. Raises UserError where an
    earlier mapping cannot be read.
    """
    if not path.is_file():
        return path, mapping
    earlier = read_mapping(path)
    if earlier.files != mapping.files:
        ending = f"{Path(mapping.files).suffix}{ENDING}"
        other = path.with_name(path.name.removesuffix(ENDING) + ending)
        return (path, mapping) if path.name.endswith(ending) else with_earlier(other, mapping)
    headers = [sorted(layout.header) for layout in mapping.layouts]
    layouts = [layout for layout in earlier.layouts if sorted(layout.header) not in headers]
    unread = dict.fromkeys((*mapping.unread_sheets, *earlier.unread_sheets))
    update = {"layouts": (*mapping.layouts, *layouts), "unread_sheets": tuple(unread)}
    return path, mapping.model_copy(update=update)


def mappings_of(directory: Path, workspace: Path | None = None) -> list[tuple[Path, Mapping]]:
    """Read the mappings of a directory, then those that the workspace keeps from earlier months."""
    places = [directory, *([workspace / KEPT] if workspace else [])]
    return [(path, read_mapping(path)) for place in places for path in sorted(place.glob(f"*{ENDING}"))]


def mapping_for(path: Path, mappings: Iterable[tuple[Path, Mapping]]) -> Mapping | None:
    """Return the first mapping whose pattern a file matches; ``*`` stands for what tells a time, or for a number."""
    return next(
        (mapping for _, mapping in mappings if _pattern(mapping.files).fullmatch(path.name.lower())), None
    )


def _pattern(files: str) -> re.Pattern[str]:
    first, *others = map(re.escape, files.lower().split("*"))
    # each star takes as little as it can and is not tried again: many of them would take for ever
    between = "".join(f"(?>{_TIMES}?{part})" for part in others[:-1])
    return re.compile(first + between + "".join(f"{_TIMES}{last}" for last in others[-1:]))


def check_layouts(
    path: Path, sheets: Sequence[LedgerSheet], mapping: Mapping
) -> list[tuple[LedgerSheet, Layout | None]]:
    """Pair each sheet with its layout; None for one without a table, and for one that is not to be read.

    Raises UserError with one line on the first sheet whose header is not the one that the mapping knows.
    """
    pairs = [(sheet, mapping.layout_of(sheet)) for sheet in sheets]
    for sheet, layout in pairs:
        if layout is None and sheet.names and sheet.name not in mapping.unread_sheets:
            raise UserError(_changed(path, sheet, mapping))
    return pairs


def _changed(path: Path, sheet: LedgerSheet, mapping: Mapping) -> str:
    """Write what differs between a sheet's header and the nearest one that the mapping knows."""
    names = [name for name in sheet.names if name]
    nearest = max(mapping.layouts, key=lambda layout: len({*layout.header} & {*names}))
    gone = [name for name in nearest.header if name not in names]
    new = [name for name in names if name not in nearest.header]
    parts = [
        say(f"少了 {'、'.join(gone)}", f"{', '.join(gone)} missing") if gone else "",
        say(f"多了 {'、'.join(new)}", f"{', '.join(new)} new") if new else "",
    ]
    what = say("，", "; ").join(part for part in parts if part)
    return say(
        f"{path} [{sheet.name}] 第 {sheet.header_line} 行：列和以前不一样（{what}）；请再运行 xianying map {path}",
        f"{path} [{sheet.name}] line {sheet.header_line}: its columns changed ({what}); run xianying map {path} again",
    )
