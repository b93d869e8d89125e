"""The text of a community.yaml as plain values: its encoding, slips in YAML, and files that are made to do harm."""

import re
from pathlib import Path
from typing import Any

import yaml

from features.alphabet import first_hidden
from features.contract.text_encoding import likely_encoding
from features.language import UserError, say

LARGEST = 1_000_000  # bytes of a file
DEEPEST = 50  # sections within one another
MOST_VALUES = 100_000  # values in it, an alias counted as all that it stands for
SIGNS = (  # where a line has a sign that YAML does not know, and what to do
    (
        r"[\s　]*\t",
        "行首有制表符（Tab），请换成空格",
        "it begins with a tab; use blanks",
    ),
    (
        r"[ \t]*[\u00a0\u2000-\u200a\u3000]",
        "行首有全角或特殊的空格，请换成普通空格",
        "it begins with wide or special blanks; use plain ones",
    ),
    (
        r"\s*(?:- *)?(?:\{[^}]*)?[\w.]+\s*：",
        "冒号是中文的（：），请换成英文冒号加一个空格",
        "its colon is a wide one; use a plain colon and a blank",
    ),
    (
        r"\s*[—–－·•]\s*\w+\s*[:：]",
        "行首的短横不是英文的，请换成减号（-）和一个空格",
        "it begins with another dash; use a plain one and a blank",
    ),
    (
        r"\s*(?:- *)?\w+:[^\s/:]+$",
        "冒号后面缺一个空格",
        "a blank is missing behind its colon",
    ),
)
# of C where PyYAML has it: in a tenth of the time
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Twice(yaml.YAMLError):
    """A key that stands twice in one section."""

    def __init__(self, key: object, line: int) -> None:
        """Take the key and the line, from one."""
        super().__init__(str(key))
        self.key, self.line = key, line


class _Loader(LOADER):
    """Reads plain values; a key that stands twice in one section is a mistake, as one of them would be lost."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Read a section, of which no key may stand twice."""
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:str":
                if key.value in seen:
                    raise _Twice(key.value, key.start_mark.line + 1)
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def read_yaml(path: Path) -> Any:
    """Read a YAML file (UTF-8, UTF-16 with its mark, GB18030, Big5 or Shift-JIS) as plain values.

    Raises UserError with one line naming the file, and the line where it can be told.
    """
    try:
        if not path.is_file():  # a pipe or a device would be read for ever
            raise OSError
        if path.stat().st_size > LARGEST:
            raise UserError(
                f"{path}：超过 1 MB，不像是设置文件",
                f"{path}: larger than 1 MB, which settings are not",
            )
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}：读不到，请放入 {path.name}",
            f"{path}: cannot be read; put a {path.name} there",
        ) from error
    try:
        text = _decoded(content)
        if place := first_hidden(text):
            raise UserError(
                f"{path}:{place}：有看不见的字符，请删去这一行重新输入",
                f"{path}:{place}: characters that do not show; delete the line and type it anew",
            )
        _refuse_depth(path, text)
        value = yaml.load(text, _Loader)
    except _Twice as error:
        raise UserError(
            f"{path}:{error.line}：{error.key} 出现了两次，请合并",
            f"{path}:{error.line}: {error.key} stands twice; put both together",
        ) from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        if mark and (sign := _wide_sign(text, mark.line)):
            raise UserError(f"{path}:{sign}") from error
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(
            f"{path}{line}：不是有效的 YAML，请检查缩进和冒号",
            f"{path}{line}: not valid YAML; check indents and colons",
        ) from error
    _refuse_bomb(path, value)
    return value


def _wide_sign(text: str, line: int) -> str:
    """Name the sign that YAML does not know, at or just above the line (from 0) where reading ended; "" without one."""
    lines = text.splitlines()
    for number in range(min(line, len(lines) - 1), max(line - 3, -1), -1):
        for pattern, zh, en in SIGNS:
            if re.match(pattern, lines[number]):
                return say(f"{number + 1}：{zh}", f"{number + 1}: {en}")
    return ""


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode(likely_encoding(content) or "utf-8")


def _refuse_depth(path: Path, text: str) -> None:
    """Raise UserError where sections stand too deep within one another: the loader in C would end the process."""
    depth = 0
    for event in yaml.parse(text, LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            line = event.start_mark.line + 1  # type: ignore[union-attr]
            raise UserError(
                f"{path}:{line}：嵌套太深，请检查缩进和括号",
                f"{path}:{line}: nested too deep; check indents and brackets",
            )


def _refuse_bomb(path: Path, value: Any) -> None:
    """Raise UserError where aliases make a small file huge, or stand for themselves."""
    sizes: dict[int, int] = {}
    inside: set[int] = set()

    def size(node: Any) -> int:
        if not isinstance(node, dict | list):
            return 1
        if id(node) in inside:
            return MOST_VALUES + 1
        if id(node) not in sizes:
            inside.add(id(node))
            sizes[id(node)] = 1 + sum(map(size, node.values() if isinstance(node, dict) else node))
            inside.discard(id(node))
        return sizes[id(node)]

    if size(value) > MOST_VALUES:
        raise UserError(
            f"{path}：引用（* 和 &）展开后太大，请直接写出各项",
            f"{path}: too large once its aliases (* and &) are written out; write the entries themselves",
        )
