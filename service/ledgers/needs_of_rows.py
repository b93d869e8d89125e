"""Find the needs that each row of a ledger speaks of: by its category, where a table has it, or by its text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from features.contract.community import Community
from models.registry.text_models import read_text_model
from models.text.categories import BY_TEXT
from models.text.decisions import key_of, read_decisions
from models.text.model import TextModel
from models.text.needs import needs_of
from service.ledgers.category_table import categories_in_force

FOUND, UNSURE = ("event", "need"), ("text", "why", "candidates")


@dataclass(frozen=True)
class NeedReader:
    """How needs are read: the settings, the model if there is one, what people decided, and the table of categories."""

    community: Community
    model: TextModel | None = None
    decided: pd.DataFrame | None = None
    # as ``read_categories`` returns it
    categories: Mapping[str, str | None] = field(default_factory=dict)


def need_reader(directory: Path, workspace: Path, community: Community) -> NeedReader:
    """Read how needs are read."""
    categories = categories_in_force(directory, workspace, community)
    return NeedReader(community, read_text_model(workspace), read_decisions(workspace), categories)


def needs_spoken_of(events: pd.DataFrame, reader: NeedReader) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the needs of each event.

    events: rows of ``take_rows`` with category and text.
    reader: how needs are read.

    Returns two tables. The first has a row for each pair of event and need: event (label in the index of ``events``)
    and need. The second has a row for each text that nobody is sure of: text, why, candidates. An event without a
    need in the first table, whose text is not in the second, speaks of none.
    """
    named = need_of_categories(events["category"], reader)
    has_name = named.notna()
    by_category = pd.DataFrame(
        {"event": events.index[has_name], "need": named[has_name].to_numpy(dtype=object)}
    )
    texts = events.loc[~has_name, "text"].where(
        events.loc[~has_name, "text"] != "", events.loc[~has_name, "category"]
    )
    texts = texts[texts != ""]
    distinct = pd.Series(texts.unique(), dtype=object)
    nobodys = _nobodys(reader)
    distinct = distinct[[key_of(text) not in nobodys for text in distinct]].reset_index(drop=True)
    answers = needs_of(distinct, reader.community, reader.model, reader.decided)
    answers = answers.assign(text=distinct.loc[answers["row"]].to_numpy(dtype=object))
    sure = answers[answers["need"].notna()][["text", "need"]].astype(object)
    by_text = texts.rename("text").rename_axis("event").reset_index().merge(sure, on="text")[[*FOUND]]
    tables = [table for table in (by_category[by_category["need"] != ""], by_text) if len(table)]
    needs = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(FOUND))
    return needs, answers.loc[answers["need"].isna(), list(UNSURE)].reset_index(drop=True)


def need_of_categories(categories: pd.Series, reader: NeedReader) -> pd.Series:
    """Return the need of each category, "" for nobody's; missing where its rows' texts decide.

    Of a category such as 教育/托育 the whole name counts first, then the narrowest part.
    """
    needs = reader.community.needs
    names = {name: need.id for need in needs for name in (need.id, need.name.zh, need.name.en) if name}
    names |= {label: need or "" for label, need in reader.categories.items()}
    known = {
        cell: next((names[part] for part in [cell, *reversed(cell.split("/"))] if part in names), BY_TEXT)
        for cell in categories.unique()
    }
    return categories.map({cell: need for cell, need in known.items() if need != BY_TEXT})


def _nobodys(reader: NeedReader) -> set[str]:
    """Return the keys of the texts of which people decided that they are nobody's need."""
    decided = reader.decided
    return set() if decided is None or decided.empty else set(decided.loc[decided["need"].isna(), "key"])
