"""Read texts with labels: from a workbook or csv of an office or a public set, or from what a workspace knows."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from features.contract.community import Community
from features.contract.text_encoding import likely_encoding
from features.language import UserError, joined_names
from features.store.database import read_store
from models.text.decisions import read_decisions
from models.text.evaluate import learnable

TITLES = ("留言主题", "主题", "标题", "诉求标题", "工单标题", "title", "subject")
TEXTS = tuple(
    """
    留言详情 留言内容 诉求内容 工单内容 内容 详情 诉求 原话 文本 描述 text content message body
    """.split()
)
LABELS = tuple(
    """
    一级分类 一级标签 分类 类别 标签 诉求类型 需求 label category class need
    """.split()
)
MESSAGE_BOARD = Path(__file__).parents[2] / "models" / "text" / "message_board.yaml"


def read_labelled(path: Path, text: str = "", label: str = "", title: str = "") -> pd.DataFrame:
    """Read the distinct texts of a file and their labels: columns text (its title in the first line) and label.

    path: a workbook (first sheet) or a csv.
    text, label, title: names of the columns; empty: usual ones.

    Raises UserError where the file or a column is missing.
    """
    table = _table(path)
    body, kind = _column(table, text, TEXTS, path, "--text"), _column(table, label, LABELS, path, "--label")
    head = title or next((name for name in TITLES if name in table and name not in (body, kind)), "")
    if head and head not in table:
        raise _no_column(path, head, "--title", table)
    texts = table[body].fillna("").astype(str).str.strip()
    if head:
        texts = table[head].fillna("").astype(str).str.strip() + "\n" + texts
    rows = pd.DataFrame({"text": texts.str.strip(), "label": table[kind].astype("string").str.strip()})
    rows = rows[(rows["text"] != "") & rows["label"].notna() & (rows["label"] != "")]
    return rows.drop_duplicates("text").reset_index(drop=True)


def _table(path: Path) -> pd.DataFrame:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}：打不开这个文件", f"{path}: cannot be opened") from error
    try:
        if content[:2] == b"PK":
            return pd.read_excel(io.BytesIO(content), dtype=str, engine="calamine")
        try:
            plain = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            plain = content.decode(likely_encoding(content) or "gb18030")
        return pd.read_csv(io.StringIO(plain), dtype=str)
    except Exception as error:  # whatever a damaged file makes the readers say
        raise UserError(f"{path}：不是能读的 xlsx 或 csv", f"{path}: no readable xlsx or csv") from error


def _column(table: pd.DataFrame, named: str, usual: tuple[str, ...], path: Path, option: str) -> str:
    column = named if named in table else "" if named else next((name for name in usual if name in table), "")
    if not column:
        raise _no_column(path, named or usual[0], option, table)
    return column


def _no_column(path: Path, name: str, option: str, table: pd.DataFrame) -> UserError:
    columns = joined_names(table.columns[:30])
    return UserError(
        f"{path}：没有列 {name}；请用 {option} 指定，现有 {columns}",
        f"{path}: no column {name}; name it with {option}; there is {columns}",
    )


def indicator(rows: pd.DataFrame) -> tuple[list[str], list[str], np.ndarray]:
    """Return the distinct texts, the needs that can be learnt, and which text has which: bool [texts, needs].

    ``rows``: text and label, a row for each pair; a missing label is nobody's need, "". Texts of rarer labels are left
    out.
    """
    rows = rows.assign(label=rows["label"].fillna(""))
    needs = learnable(rows["label"].tolist())
    rows = rows[rows["label"].isin(needs)]
    texts = list(dict.fromkeys(rows["text"]))
    place = {text: number for number, text in enumerate(texts)}
    labels = np.zeros((len(texts), len(needs)), dtype=bool)
    labels[rows["text"].map(place), [needs.index(label) for label in rows["label"]]] = True
    return texts, needs, labels


def keywords_of(needs: list[str], community: Community | None, path: Path | None) -> list[tuple[str, ...]]:
    """Return each label's keywords: of a YAML file (label: [words]), of the settings, or of the message boards."""
    table: dict[str, list[str]] = {}
    if path:
        try:
            table = yaml.safe_load(path.read_text("utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise UserError(f"{path}：读不懂的关键词表", f"{path}: no readable table of keywords") from error
        if not isinstance(table, dict):
            raise UserError(f"{path}：应为 类别: [词]", f"{path}: should be label: [words]")
    else:
        table = yaml.safe_load(MESSAGE_BOARD.read_text("utf-8"))
        for need in community.needs if community else ():
            table[need.id] = table[need.name.zh] = list(need.keywords)
    return [tuple(map(str, table.get(need) or [])) or ((need,) if need else ()) for need in needs]


def known_texts(workspace: Path) -> pd.DataFrame:
    """Return text and label of a workspace: requests that came with both, and what people decided."""
    decided = read_decisions(workspace).rename(columns={"need": "label"})[["text", "label"]]
    recorded = _requests(workspace, "need IS NOT NULL").rename(columns={"need": "label"})
    return pd.concat([recorded, decided], ignore_index=True).drop_duplicates()


def open_texts(workspace: Path) -> pd.Series:
    """Return the distinct texts of requests that came without a need."""
    return _requests(workspace, "need IS NULL")["text"].drop_duplicates()


def _requests(workspace: Path, where: str) -> pd.DataFrame:
    with read_store(workspace) as connection:
        return connection.sql(f"""
            SELECT DISTINCT text, need FROM requests
            WHERE text IS NOT NULL AND superseded_at IS NULL AND {where} ORDER BY text, need""").df()
