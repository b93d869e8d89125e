"""Account for every row of the ledgers: loaded, waiting for people, or set aside with its reason."""

import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.alphabet import no_formula
from features.atomic import write_atomically
from features.contract.tables import TABLES
from features.findings import EXAMPLES, line_words, shown_cells
from features.ingest.ingest_report import IngestReport
from features.language import joined_names, say
from features.mapping.kept_rows import FOLDER
from features.mapping.register import RegisterTables
from features.mapping.take_rows import SOURCE
from service.ledgers.compose import ASIDE, LOADED, REVIEW, Composed
from service.ledgers.proposal_lines import unseen_marks

ROWS = "rows.csv"
MOST_SHOWN = 8  # reasons
LONGEST = 24  # letters of what a reason adds
DOUBTFUL = "doubtful"  # loaded, and yet to be checked
HOUSEHOLDS_SHEET, NEEDS_SHEET = Path("review") / "households.xlsx", Path("review") / "needs.xlsx"


@dataclass(frozen=True)
class Accounts:
    """What became of each record of the ledgers (``SOURCE``, state, why, doubt), and of those that had waited before."""

    rows: pd.DataFrame
    now_loaded: int  # rows that had waited since earlier months
    still_waiting: int
    warned: int  # new visits that a list from above asks for
    unread_refusals: Sequence[str]
    may_refuse: Sequence[str]
    needs_open: int  # loaded rows whose text may ask for more than was recognised

    def count(self, state: str) -> int:
        """Count the records in a state."""
        return int((self.rows["state"] == state).sum())

    @property
    def look(self) -> bool:
        """Whether something waits for people or was set aside."""
        waiting = self.count(REVIEW) or self.count(ASIDE) or self.still_waiting
        return bool(self.may_refuse or waiting or len(self._doubtful()))

    def _doubtful(self) -> pd.DataFrame:
        """Return the rows that are loaded and yet odd."""
        return self.rows[(self.rows["state"] == LOADED) & (self.rows["doubt"] != "")]

    def lines(self, workspace: Path | None) -> list[str]:
        """Write the sums, the commonest reasons, and where to decide; ``workspace``: None where nothing was kept."""
        files = self.rows["source_file"].nunique()
        total, loaded, review, aside = (
            len(self.rows),
            self.count(LOADED),
            self.count(REVIEW),
            self.count(ASIDE),
        )
        sums = say(
            f"台账 {files} 个文件，{total} 条：读入 {loaded}，待人定 {review}，不用 {aside}",
            f"ledgers: {files} files, {total} records: {loaded} loaded, {review} to review, {aside} set aside",
        )
        lines = [sums, *self.unread_refusals, *self.may_refuse, *self._reasons()]
        lines += unseen_marks(self.rows["source_file"].unique())
        if self.now_loaded or self.still_waiting:
            lines.append(
                say(
                    f"以前待定的：现在读入 {self.now_loaded} 条，仍待定 {self.still_waiting} 条",
                    f"waiting since before: {self.now_loaded} loaded now, {self.still_waiting} still wait",
                )
            )
        if self.warned:
            lines.append(
                say(
                    f"预警 {self.warned} 条，排进下一次走访名单",
                    f"{self.warned} warnings, each a visit of the next list",
                )
            )
        if self.needs_open:
            lines.append(
                say(
                    f"{self.needs_open} 条的话里有没认出的需求，先照认出的读入",
                    f"{self.needs_open} texts may ask for more than was recognised; loaded with what was",
                )
            )
        return lines + self._where(workspace)

    def _reasons(self) -> list[str]:
        """Write a line for each of the commonest reasons, with some of the texts and places."""
        doubtful = self._doubtful()
        rest = self.rows[self.rows["state"] != LOADED]
        told = pd.concat([doubtful.assign(state=DOUBTFUL, why=doubtful["doubt"]), rest])
        lines = []
        for (state, kind), rows in sorted(
            told.groupby(["state", told["why"].str.split("[：:]").str[0]]), key=lambda item: -len(item[1])
        )[:MOST_SHOWN]:
            first = rows.iloc[0]
            reasons = rows[
                (rows["source_file"] == first["source_file"])
                & (rows["source_sheet"] == first["source_sheet"])
            ]
            where = f"{first['source_file']} [{first['source_sheet']}] {line_words([*map(int, reasons['source_row'])])}"
            what = {
                REVIEW: say("待定", "to review"),
                ASIDE: say("不用", "set aside"),
                DOUBTFUL: say("请核对", "to check"),
            }[str(state)]
            why = f"{kind}{_details(rows['why'])}"
            lines.append(
                say(f"  {what} {len(rows)} 条：{why}（{where}）", f"  {what} {len(rows)}: {why} ({where})")
            )
        return lines

    def _where(self, workspace: Path | None) -> list[str]:
        if workspace is None:
            return []
        lines = []
        if self.count(REVIEW) or self.still_waiting or self.needs_open:
            sheets = {HOUSEHOLDS_SHEET: "xianying review", NEEDS_SHEET: "xianying text review --read"}
            lines += [
                say(
                    f"请在 {workspace / sheet} 里定，再运行 {command} {workspace / sheet}",
                    f"decide in {workspace / sheet}, then run {command} {workspace / sheet}",
                )
                for sheet, command in sheets.items()
                if (workspace / sheet).is_file()
            ]
        lines.append(
            say(
                f"每一条的去向见 {workspace / FOLDER / ROWS}", f"where each went: {workspace / FOLDER / ROWS}"
            )
        )
        return lines

    def write(self, workspace: Path) -> None:
        """Write where every record went into the workspace."""
        rows = self.rows.assign(why=self.rows["why"].where(self.rows["why"] != "", self.rows["doubt"]))
        table = rows[[*SOURCE, "state", "why"]].map(no_formula)
        write_atomically(
            workspace / FOLDER / ROWS,
            table.to_csv(index=False, quoting=csv.QUOTE_MINIMAL).encode("utf-8-sig"),
        )


def _details(reasons: pd.Series) -> str:
    """Return what some reasons add behind their colon, masked; "" where they add nothing.

    >>> _details(pd.Series(["没有找到这一户：户号 7", "没有找到这一户", "没有找到这一户：户号 9"]))
    '：户号 7、户号 9'
    """
    parts = (re.split("[：:]", reason, maxsplit=1) for reason in reasons)
    said = [*dict.fromkeys(part[1].strip() for part in parts if len(part) > 1)]
    shown = [text if len(text) <= LONGEST else f"{text[:LONGEST]}…" for text in said[:EXAMPLES]]
    return say("：", ": ") + joined_names(shown_cells(shown)) if shown else ""


def accounts_of(
    records: pd.DataFrame, tables: RegisterTables, composed: Composed, report: IngestReport
) -> Accounts:
    """Account for every record.

    records: all that ``take_rows`` read.
    tables: what became of registers.
    composed: what became of events; its events have ``record``, the position in ``records``, -1 for one that had
        waited.
    report: of the ingest: a row that it could not use is set aside here too.
    """
    state = pd.Series(LOADED, index=records.index, dtype=object)
    why = records["aside"].copy()
    state[why != ""] = ASIDE
    for place, reason in tables.aside.items():
        state[place], why[place] = ASIDE, reason
    events = composed.events
    new = events["record"] >= 0
    state[events.loc[new, "record"]] = events.loc[new, "state"].to_numpy()
    why[events.loc[new, "record"]] = events.loc[new, "why"].to_numpy()
    for record, reason in _not_taken(tables, composed, report):
        if record >= 0:
            state[record], why[record] = ASIDE, reason
    waited = events.loc[~new & ~events["loaded_before"].astype(bool), "state"]
    doubt = records["doubt"].mask(records.index.isin(tables.doubts), records.index.map(tables.doubts.get))
    return Accounts(
        records[list(SOURCE)].assign(state=state, why=why, doubt=doubt),
        now_loaded=int((waited == LOADED).sum()),
        still_waiting=int((waited == REVIEW).sum()),
        warned=len(composed.warnings),
        unread_refusals=composed.unread_refusals,
        may_refuse=composed.may_refuse,
        needs_open=int(events["need_open"].sum()),
    )


def _not_taken(tables: RegisterTables, composed: Composed, report: IngestReport) -> Iterable[tuple[int, str]]:
    """Yield the records of which ``ingest`` could use no row, with its reason."""
    if report.quarantine is None:
        return
    lost: dict[tuple[str, ...], str] = {}
    with report.quarantine.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            try:
                cells = json.loads(row["row"])
            except ValueError:
                continue
            lost[(row["table"], *(str(cells.get(key) or "") for key in TABLES[row["table"]].key))] = row[
                "reason"
            ]
    made = {"households": tables.households, "residents": tables.residents}
    made |= {table: pd.DataFrame(rows) for table, rows in composed.tables.items()}
    reasons: dict[int, list[str]] = {}
    for table, rows in made.items():
        if rows.empty:
            continue
        keys = rows[list(TABLES[table].key)].astype(str).to_numpy()
        register = table in ("households", "residents")
        places = rows["record"] if register else composed.events["record"].to_numpy()[rows["record"]]
        for place, key in zip(np.asarray(places).tolist(), keys, strict=True):
            reasons.setdefault(place, []).append(lost.get((table, *key), ""))
    for place, said in reasons.items():
        if all(said):
            yield place, said[0]
