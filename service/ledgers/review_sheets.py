"""Write the workbooks in which people decide: whose a row is, and what a text asks for."""

from pathlib import Path

import pandas as pd

from features.contract.community import Community
from features.language import say
from service.ledgers.accounts import HOUSEHOLDS_SHEET, NEEDS_SHEET
from service.ledgers.compose import REVIEW, Composed
from service.ledgers.households_of_rows import NAMED, SURE, Register
from service.lists.review_workbook import write_review
from service.texts.review_sheet import write_text_review


def write_review_sheets(
    workspace: Path, composed: Composed, register: Register, community: Community
) -> None:
    """Write both sheets anew with all that waits, each once; a sheet of which nothing waits any more is removed.

    Texts whose rows wait stand before those of loaded rows, and frequent ones before rare ones.
    """
    events = composed.events
    waiting = events[events["state"] == REVIEW]
    unsure = waiting[~waiting["verdict"].isin(SURE)].drop_duplicates(list(NAMED)).reset_index(drop=True)
    _write_households(workspace / HOUSEHOLDS_SHEET, unsure, register)
    asked = events[(events["state"] == REVIEW) & events["verdict"].isin(SURE) | events["need_open"]]
    said = asked["text"].where(asked["text"] != "", asked["category"])
    texts = composed.unsure_texts[composed.unsure_texts["text"].isin(said)]
    waits = texts["text"].isin(said[asked["state"] == REVIEW])
    often = texts["text"].map(said.value_counts())
    texts = texts.assign(waits=waits, often=often).sort_values(
        ["waits", "often"], ascending=False, kind="stable"
    )
    if len(texts):
        write_text_review(workspace / NEEDS_SHEET, texts, community)
    else:
        (workspace / NEEDS_SHEET).unlink(missing_ok=True)


def _write_households(path: Path, unsure: pd.DataFrame, register: Register) -> None:
    if unsure.empty:
        path.unlink(missing_ok=True)
        return
    links = unsure.rename(columns={"link_reason": "reason"})[["candidates", "chance", "reason", "verdict"]]
    sources = [
        say(f"{file} [{sheet}] 第 {row} 行", f"{file} [{sheet}] line {row}")
        for file, sheet, row in unsure[["source_file", "source_sheet", "source_row"]].to_numpy()
    ]
    write_review(path, unsure, links, register.rows, sources)
