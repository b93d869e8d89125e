"""The exports that a synthetic town's office hands over: everything at first, then each week what is new."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from features.atomic import write_atomically
from features.contract import Community
from features.settings import SETTINGS_FILE
from features.simulated_files import Names, contract_tables, week_of_requests, written_requests
from features.simulated_office import Office


class Exports:
    """Writes the office's tables as they stand on the coming Monday, without the rows written before."""

    def __init__(self, office: Office, community: Community, content: dict[str, Any]):
        """``content`` is what goes into community.yaml."""
        self.office, self.community, self.content = office, community, content
        self.names = Names(office.town)
        self._requests: list[pd.DataFrame] = []
        self._written: dict[str, np.ndarray] = {}

    def write(self, directory: Path) -> dict[str, int]:
        """Write one file a table and community.yaml; returns rows per table."""
        town, office = self.office.town, self.office
        asked = office.requests[len(self._requests) :]
        self._requests += [week_of_requests(town, one) for one in asked]
        requests = written_requests(town, self.names, self.community, self._requests)
        until = float(town.dates(np.array(town.week)))
        tables = contract_tables(town, self.names, self.community, office, requests, until)
        text = yaml.safe_dump(self.content, allow_unicode=True, sort_keys=False)
        write_atomically(directory / SETTINGS_FILE, text.encode())
        counts = {}
        for name, table in tables.items():
            new = self._new(name, table)
            write_atomically(directory / f"{name}.csv", new.to_csv(index=False).encode())
            counts[name] = len(new)
        return counts

    def _new(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """The rows that were not written before in just this way."""
        key = pd.util.hash_pandas_object(table.astype(str), index=False).to_numpy()
        new = ~np.isin(key, self._written.get(name, key[:0]))
        self._written[name] = key
        return table[new]
