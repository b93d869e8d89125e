"""Which groups a week's lists pass over: a table in the week's directory, and lines."""

from pathlib import Path

import pandas as pd

from features.atomic import write_atomically
from features.blocks.groups import membership
from features.point_in_time.records import Known

GROUPS = "groups.csv"


def list_lines(home: Path, table: pd.DataFrame, known: Known) -> list[str]:
    """Lines on groups that get clearly less of the week's lists than of expected need; all groups in groups.csv.

    ``table``: from ``models.fairness.audit.audit_list``.
    """
    from models.fairness.lines import group_lines

    write_atomically(home / GROUPS, table.to_csv(index=False).encode("utf-8-sig"))
    return group_lines(table, membership(known))
