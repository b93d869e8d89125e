"""The register of fields: the purpose, legal basis, sensitivity and retention of each column with data."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from features.contract.settings_file import SETTINGS_FILE
from features.contract.tables import TABLES
from features.language import UserError, say, say_line
from features.store.database import attribute_columns, read_store
from features.store.reader import read_settings
from features.store.sql import name as quoted
from features.store.sql import one_value

FILE = "fields.yaml"
BLANK = ("请填写", "fill in")
BASES = (
    "consent",
    "separate_consent",
    "contract",
    "statutory_duty",
    "emergency",
    "public_interest",
    "already_public",
    "other_law",
)
SENSITIVE = re.compile(  # what article 28 of the Personal Information Protection Law calls sensitive, by a column's name
    r"身份证|证件|sfzh|id_?card|identity|id_number|passport|护照|病|健康|残疾|精神|医保|宗教|信仰|民族|种族|政治面貌|银行|账号|指纹|人脸"
    r"|轨迹|定位|矫正|吸毒|犯罪|孤儿|留守儿童|ethnic|religio|health|illness|disease|disab|biometric|bank|party_member",
    re.IGNORECASE,
)
IDENTITY_NUMBER = r"\d{17}[\dXx]|\d{15}|\d{6}\*+\d{2,4}[\dXx]?"
LOOKED_AT = 200  # values of a column
TIMES = {
    "households": "valid_from",
    "residents": "valid_from",
    "requests": "requested_at",
    "outreach": "contacted_at",
}


class FieldEntry(BaseModel):
    """The entry of one column of one table."""

    model_config = ConfigDict(extra="forbid")

    purpose: str = Field(min_length=2)  # draft's words for "fill in" are refused
    basis: Literal[BASES]  # type: ignore[valid-type]
    sensitive: bool = False
    retention_months: int = Field(ge=1, le=1200)

    @field_validator("purpose")
    @classmethod
    def _filled(cls, value: str) -> str:
        if value in BLANK:
            raise ValueError("fill in")
        return value


@dataclass(frozen=True)
class Held:
    """A column that has data: an attribute, or one of the contract's columns."""

    table: str
    column: str

    @property
    def name(self) -> str:
        """Return the name with the table, such as ``households.children``."""
        return f"{self.table}.{self.column}"


def held_fields(workspace: Path) -> list[Held]:
    """List the columns that have data."""
    with read_store(workspace) as connection:
        return [
            Held(table, column)
            for table, contract in TABLES.items()
            for column in [*contract.columns, *attribute_columns(connection, table)]
            if one_value(connection, f"SELECT count({quoted(column)}) FROM {table}")
        ]


def draft(workspace: Path) -> str:
    """Write a register with every column that has data, for the community to fill in; entries already made stay.

    Raises UserError when nothing was ingested.
    """
    read_settings(workspace)  # a mistyped workspace is told, not given an empty register
    registered = _read(workspace)
    lines = [
        say(
            "# 字段登记：每一列写明目的、合法性基础、是否敏感个人信息、保存多久。合法性基础请与法律顾问确认。",
            "# Register of fields: purpose, legal basis, sensitivity and retention of each column. Ask a lawyer.",
        ),
        f"# basis: {', '.join(BASES)}",
        "fields:",
    ]
    fields = held_fields(workspace)
    sensitive = sensitive_fields(workspace, fields)
    for field in fields:
        known = registered.get(field.name)
        blank = say(*BLANK)
        entry = known or {
            "purpose": blank,
            "basis": blank,
            "sensitive": field in sensitive,
            "retention_months": blank,
        }
        lines.append(
            f"  {field.name}: {{{', '.join(f'{key}: {_yaml(value)}' for key, value in entry.items())}}}"
        )
    return "\n".join(lines) + "\n"


def sensitive_fields(workspace: Path, fields: list[Held]) -> set[Held]:
    """Select the columns with a name like sensitive information, or with identity numbers as values."""
    sensitive = {field for field in fields if SENSITIVE.search(field.column)}
    with read_store(workspace) as connection:
        for field in fields:
            column = quoted(field.column)
            query = (
                f"SELECT {column}::VARCHAR FROM {field.table} WHERE {column} IS NOT NULL LIMIT {LOOKED_AT}"
            )
            values = [value for (value,) in connection.execute(query).fetchall()]
            if values and all(re.fullmatch(IDENTITY_NUMBER, value.strip()) for value in values):
                sensitive.add(field)
    return sensitive


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, allow_unicode=True, default_flow_style=True).split("\n")[0]


def _read(workspace: Path) -> dict[str, Any]:
    path = workspace / FILE
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text("utf-8")) or {}
        return dict(content.get("fields") or {})
    except (yaml.YAMLError, AttributeError, ValueError) as error:
        raise UserError(f"{path}：不是有效的 YAML", f"{path}: not valid YAML") from error


def check(workspace: Path, today: date) -> list[str]:
    """Return a line for each mistake in the register.

    Mistakes are columns without a complete entry, entries without a column, sensitive columns on a basis that does not
    allow them or used by the model, and rows kept for longer than the register says.
    """
    registered, fields = _read(workspace), held_fields(workspace)
    excluded = set(read_settings(workspace).features.exclude)
    wrong, entries = [], {}
    for field in fields:
        try:
            entries[field.name] = FieldEntry.model_validate(registered[field.name])
        except KeyError:
            wrong.append(say(f"{field.name}：没有登记", f"{field.name}: not registered"))
        except ValidationError as error:
            keys = ", ".join(sorted({str(part["loc"][0]) for part in error.errors() if part["loc"]}))
            wrong.append(say(f"{field.name}：{keys} 没有填好", f"{field.name}: {keys} to be filled in"))
    names = {field.name for field in fields}
    wrong += [
        say(f"{name}：数据里没有这一列", f"{name}: no such column is held")
        for name in registered
        if name not in names
    ]
    for name, entry in entries.items():
        table, column = name.split(".", 1)
        if not entry.sensitive:
            continue
        if entry.basis == "consent":
            wrong += say_line(
                f"{name}：敏感个人信息以同意为基础时要单独同意（第二十九条）",
                f"{name}: consent to sensitive information must be separate (art. 29)",
            )
        if column not in TABLES[table].columns and column not in excluded:
            wrong += say_line(
                f"{name}：敏感且模型在用，请在 {SETTINGS_FILE} 的 features.exclude 里排除",
                f"{name}: sensitive and used by the model; exclude it in {SETTINGS_FILE} (features.exclude)",
            )
    return wrong + _kept_too_long(workspace, entries, today)


def _kept_too_long(workspace: Path, entries: dict[str, FieldEntry], today: date) -> list[str]:
    lines = []
    with read_store(workspace) as connection:
        for name, entry in entries.items():
            table, column = name.split(".", 1)
            if column != TIMES.get(table):
                continue
            months = today.year * 12 + today.month - 1 - entry.retention_months
            oldest = datetime(months // 12, months % 12 + 1, 1)
            condition = f'"{column}" < ?'
            if table in ("households", "residents"):  # what still holds is not old, whenever it began
                condition += " AND superseded_at IS NOT NULL"
            count = connection.execute(
                f"SELECT count(*) FROM {table} WHERE {condition}", [oldest]
            ).fetchall()[0][0]
            if count:
                lines += say_line(
                    f"{table}：{count} 行早于 {oldest:%Y-%m}，超过登记的保存期限",
                    f"{table}: {count} rows are older than {oldest:%Y-%m}, longer than registered",
                )
    return lines
