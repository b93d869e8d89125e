"""Write the exports of a synthetic town's office: everything at first, then each week what is new."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from features.atomic import write_atomically
from features.contract.community import Community
from features.contract.settings_file import SETTINGS_FILE
from features.simulation.office import Office
from features.simulation.table_files import (
    Names,
    other_tables,
    people_tables,
    week_of_requests,
    written_requests,
)
from features.simulation.town import Town


class Exports:
    """The exports of an office: its tables as they stand on the coming Monday, without the rows written before."""

    def __init__(self, office: Office, community: Community, content: dict[str, Any], later: Town):
        """Prepare the exports of an office; ``content`` goes into community.yaml.

        ``later`` is the same town after its last week: what happens to people does not depend on visits, so its tables
        hold what the export of every week needs of them.
        """
        self.office, self.community, self.content = office, community, content
        self.names = Names(office.town)
        self._people = people_tables(later, self.names)
        self._requests: list[pd.DataFrame] = []
        self._written: dict[str, np.ndarray] = {}
        self._until = -np.inf  # of the last export

    def write(self, directory: Path) -> dict[str, int]:
        """Write community.yaml and one file a table into a directory; return the number of rows by table."""
        town, office = self.office.town, self.office
        asked = office.requests[len(self._requests) :]
        self._requests += [week_of_requests(town, request) for request in asked]
        requests = written_requests(town, self.names, self.community, self._requests)
        until = float(town.dates(np.array(town.week)))
        tables = {
            name: rows[(rows["valid"] >= self._until) & (rows["valid"] < until)].drop(columns="valid")
            for name, rows in self._people.items()
        }
        others = other_tables(town, self.names, self.community, office, requests, until)
        tables |= {name: self._new(name, rows) for name, rows in others.items()}
        self._until = until
        text = yaml.safe_dump(self.content, allow_unicode=True, sort_keys=False)
        write_atomically(directory / SETTINGS_FILE, text.encode())
        for name, rows in tables.items():
            write_atomically(directory / f"{name}.csv", rows.to_csv(index=False).encode())
        return {name: len(rows) for name, rows in tables.items()}

    def _new(self, name: str, rows: pd.DataFrame) -> pd.DataFrame:
        """Select the rows that were not written before with the same content."""
        key = pd.util.hash_pandas_object(rows.astype(str), index=False).to_numpy()
        new = ~np.isin(key, self._written.get(name, key[:0]))
        self._written[name] = key
        return rows[new]
