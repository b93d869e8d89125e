"""The review sheet of texts: the least certain ones, masked, with a column to decide in."""

from pathlib import Path

import openpyxl
import pandas as pd
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.datavalidation import DataValidation

from features.atomic import open_atomically
from features.contract.community import Community
from features.findings import shown_cells
from features.language import UserError, say
from features.masking.mask import mask_texts
from models.text.decisions import key_of

KEY = "编号 key"
TEXT, LIKELY, WHY, DECISION = (
    ("原话", "text"),
    ("可能是", "perhaps"),
    ("为什么问", "why asked"),
    ("决定", "decision"),
)
NOBODY = ("无", "nobody", "none", "-")
_WIDTHS = (10, 70, 28, 24, 28)
_BETWEEN = ("；", ";", "、", "，", ",")
_LARGEST_LIST = 250  # characters that Excel takes in a list of choices


def write_text_review(path: Path, frame: pd.DataFrame, community: Community) -> int:
    """Write the sheet and return how many texts it asks about.

    path: of the workbook.
    frame: text (as written), why, candidates (list of need ids); equal texts are asked once.
    community: whose needs can be chosen.
    """
    rows = frame.dropna(subset=["text"]).assign(
        key=lambda rows: rows["text"].map(lambda text: key_of(str(text)))
    )
    rows = rows.drop_duplicates("key")
    names = {need.id: need.name.here for need in community.needs}
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = say("诉求", "requests")
    sheet.append([KEY, *(say(*words) for words in (TEXT, LIKELY, WHY, DECISION))])
    masked = mask_texts(rows["text"].astype(str))
    for key, text, likely, why in zip(rows["key"], masked, rows["candidates"], rows["why"], strict=True):
        sheet.append([key, text, "；".join(names.get(need, need) for need in likely), why, None])
    for cells in sheet.iter_rows(min_row=2):
        for cell in cells:
            # a text, also where it begins with =
            cell.data_type = "s" if cell.value is not None else cell.data_type
            cell.alignment = Alignment(wrap_text=True, vertical="top")
    for column, width in zip("ABCDE", _WIDTHS, strict=True):
        sheet.column_dimensions[column].width = width
        sheet[f"{column}1"].font = Font(bold=True)
    sheet.column_dimensions["A"].hidden = True
    sheet.freeze_panes = "B2"
    choices = ",".join(name.replace(",", " ") for name in [*names.values(), NOBODY[0]])
    if len(rows) and len(choices) <= _LARGEST_LIST and '"' not in choices:
        listed = DataValidation(
            type="list", formula1=f'"{choices}"', allow_blank=True, showErrorMessage=False
        )
        listed.add(f"E2:E{len(rows) + 1}")
        sheet.add_data_validation(listed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_atomically(path) as file:
        book.save(file)
    return len(rows)


def read_text_review(path: Path, community: Community) -> pd.DataFrame:
    """Read the decisions of a filled-in sheet: key, text, need; a row for each text and need.

    A decision holds names or ids of needs, several with ； between them, or 无. Rows without a decision are left out.
    Raises UserError where the file is no such sheet or a decision names no need.
    """
    try:
        sheet = pd.read_excel(path, dtype=str, engine="calamine")
    except Exception as error:  # whatever a damaged workbook makes the reader say
        raise UserError(f"{path}：不能作为 Excel 打开", f"{path}: cannot be read as a workbook") from error
    columns = {name for words in (TEXT, DECISION) for name in words} & set(sheet.columns)
    if KEY not in sheet or len(columns) < 2:
        raise UserError(
            f"{path}：不是 xianying text review 写出的表",
            f"{path}: not a sheet that xianying text review wrote",
        )
    text, decision = (next(name for name in words if name in sheet) for words in (TEXT, DECISION))
    needs = {word.strip().lower(): need for word, need in community.need_of_word().items()}
    rows = []
    for line, (key, written, said) in enumerate(
        sheet[[KEY, text, decision]].itertuples(index=False, name=None), start=2
    ):
        if pd.isna(said) or not said.strip() or pd.isna(key):
            continue
        rows += [(key, written, need) for need in _decided(said, needs, f"{path}:{line}")]
    return pd.DataFrame(rows, columns=["key", "text", "need"]).astype("string")


def _decided(said: str, needs: dict[str, str], where: str) -> list[str | None]:
    """Return the ids that a decision names; [None] for nobody's need."""
    if said.strip().lower() in NOBODY:
        return [None]
    if said.strip().lower() in needs:
        return [needs[said.strip().lower()]]
    for sign in _BETWEEN[1:]:
        said = said.replace(sign, _BETWEEN[0])
    chosen: list[str | None] = []
    for name in filter(None, (part.strip() for part in said.split(_BETWEEN[0]))):
        if name.lower() not in needs:
            (shown,) = shown_cells([name])
            raise UserError(
                f"{where}：“{shown}”不是 community.yaml 里的需求；请写需求名称或 无",
                f"{where}: “{shown}” is no need of community.yaml; write a need's name, or 无 for nobody's",
            )
        chosen.append(needs[name.lower()])
    return chosen
