"""Groups of households that an audit compares: those that the community names, every grid, and each value of the
attributes that no model uses.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from features.blocks.household import days_known
from features.contract.community import Group, Name
from features.contract.eligibility import parse
from features.language import UserError, grid_words, in_language, joined_names
from features.point_in_time.cohort import KnownAttributes
from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered
from features.point_in_time.schema import Attribute, TableName
from features.point_in_time.schema_fit import encoded, unused_attributes
from features.units import WEEK

GRID = "grid"
TABLES: tuple[TableName, ...] = ("households", "residents")


@dataclass(frozen=True)
class Groups:
    """Groups of households and their members.

    ids: the id of a named group, ``grid=G01`` for a grid, ``ethnicity=...`` for a value of an attribute. left_out: a
    message for each named group whose ``who`` these data cannot answer.
    """

    ids: tuple[str, ...]
    names: tuple[Name, ...]
    member: np.ndarray  # bool [households, groups]
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def positions(self, wanted: Iterable[str]) -> list[int]:
        """Return the columns of the groups asked for; the part of an id before its ``=`` stands for all such groups.

        Raises UserError where there is no such group.
        """
        positions: list[int] = []
        for group in wanted:
            matching = [
                at
                for at, group_id in enumerate(self.ids)
                if group_id == group or group_id.split("=")[0] == group
            ]
            if not matching:
                listed = joined_names(dict.fromkeys(group.split("=")[0] for group in self.ids))
                raise UserError(
                    f"community.yaml：没有这个群体：{group}；有的是：{listed}",
                    f"community.yaml: there is no group {group}; there are: {listed}",
                )
            positions += [at for at in matching if at not in positions]
        return positions


def without_members(groups: Groups) -> Groups:
    """Return the same groups without their members: ``member`` is bool [0, groups]."""
    return replace(groups, member=groups.member[:0])


def joined_groups(partitions: Sequence[Groups]) -> Groups:
    """Join the groups of partitions into those of their town, without members: named groups first, then grids in the
    order of their ids, then values of attributes.
    """
    names: dict[str, Name] = {}
    for partition in partitions:
        names.update(zip(partition.ids, partition.names, strict=True))
    named = [name for name in names if "=" not in name]
    grids = sorted(name for name in names if name.startswith(f"{GRID}="))
    ids = tuple(dict.fromkeys([*named, *grids, *names]))
    left_out = dict.fromkeys(line for partition in partitions for line in partition.left_out)
    return Groups(
        ids,
        tuple(names[identifier] for identifier in ids),
        np.zeros((0, len(ids)), dtype=bool),
        tuple(left_out),
    )


@remembered
def membership(known: Known) -> Groups:
    """List the groups as known at the date: named ones first, then grids, then values of unused attributes.

    Only households known by then are members of a group. A resident with an attribute's value makes the whole household a
    member.
    """
    columns: list[tuple[str, Name, np.ndarray]] = []
    left_out: list[str] = []
    for group in known.community.groups:
        try:
            columns.append((group.id, group.name, _members(known, group)))
        except UserError as error:  # an audit that cannot be made stops nobody's list
            left_out.append(str(error))
    columns += [*_grids(known), *_unused(known)]
    member = np.zeros((known.household_count, len(columns)), dtype=bool)
    for at, (_, _, members) in enumerate(columns):
        member[:, at] = members & known.present
    return Groups(
        tuple(group_id for group_id, _, _ in columns),
        tuple(name for _, name, _ in columns),
        member,
        tuple(left_out),
    )


def _members(known: Known, group: Group) -> np.ndarray:
    who = parse(group.who, f"group {group.id}")
    members = who.evaluate(KnownAttributes(known), known.household_count)
    if group.known_within_weeks is not None:
        with np.errstate(invalid="ignore"):
            members &= days_known(known) <= WEEK * group.known_within_weeks
    return members


def _grids(known: Known) -> Iterator[tuple[str, Name, np.ndarray]]:
    for at in np.unique(known.grid[known.present]):
        grid = str(known.grid_ids[at])
        yield (
            f"{GRID}={grid}",
            Name(zh=in_language("zh", grid_words, grid), en=in_language("en", grid_words, grid)),
            known.grid == at,
        )


def _unused(known: Known) -> Iterator[tuple[str, Name, np.ndarray]]:
    for table in TABLES:
        for attribute in unused_of(known, table):
            if attribute.kind in ("boolean", "category"):
                yield from _by_value(known, table, attribute)


@remembered
def unused_of(known: Known, table: TableName) -> tuple[Attribute, ...]:
    """Return the attributes of a table that no model uses, fitted on the whole town."""
    if known.town is not None:
        return known.town.unused[table]
    return unused_attributes(known, table)


def _by_value(known: Known, table: TableName, attribute: Attribute) -> Iterator[tuple[str, Name, np.ndarray]]:
    zh, en = attribute.plain_name
    value = encoded(known, table, attribute)
    for code, value_id, word_zh, word_en in _values(attribute):
        if table == "households":
            members = np.append(value, np.nan)[known.household_row] == code
        else:
            rows = known.resident_rows
            members = np.zeros(known.household_count, dtype=bool)
            members[known.residents.household[rows[value[rows] == code]]] = True
        yield f"{attribute.name}={value_id}", Name(zh=f"{zh}：{word_zh}", en=f"{en}: {word_en}"), members


def _values(attribute: Attribute) -> list[tuple[int, str, str, str]]:
    """List the code of each value, its word in the group's id, and its Chinese and English name."""
    if attribute.kind == "boolean":
        return [(1, "yes", "是", "yes"), (0, "no", "否", "no")]
    listed = [(code, text, text, text) for code, text in enumerate(attribute.values)]
    return [*listed, (len(listed), "other", "其他", "other")] if attribute.pooled else listed
