"""The settings of a community: what its community.yaml may say."""

import re
from calendar import monthrange
from datetime import date
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from features.contract.eligibility import parse
from features.contract.need_kinds import KINDS, NeedKind, kinds_of
from features.contract.table_names import by_held_names
from features.language import Mistake, language

MONTH_AND_DAY = re.compile(r"(?:\d{4}[-/.])?(0?[1-9]|1[0-2])[-/.](0?[1-9]|[12]\d|3[01])")
LEAP_YEAR = 2024
TIERS = ("red", "yellow", "green")  # of risk; ``RiskShares`` says how many households are in the first two


class _Section(BaseModel):
    """A section of community.yaml; keys that nobody reads are kept so that they can be reported."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: Any) -> Any:
        """Refuse ``severity: yes``, which would be read as 1."""
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and kind in (int, float, int | None, float | None):
            raise Mistake("请写数字", "write a number")
        return value


class Name(_Section):
    """A name in Chinese and English; where one is missing the other stands for it."""

    zh: str = ""
    en: str = ""

    @property
    def here(self) -> str:
        """Return the name in the language in force."""
        return (self.en or self.zh) if language() == "en" else (self.zh or self.en)


class _Named(_Section):
    id: str = Field(min_length=1)
    name: Name = Name()

    @model_validator(mode="before")
    @classmethod
    def _name_default(cls, value: Any) -> Any:
        if isinstance(value, dict):
            name = value.get("name") or str(value.get("id", ""))
            value = {**value, "name": {"zh": name, "en": name} if isinstance(name, str) else name}
        return value


Ranking = Literal["model", "request_count", "request_count_all", "same_season"]


class Place(_Section):
    """An estate or village of the register, and the other names that ledgers give it."""

    name: str = Field(min_length=1)
    aliases: tuple[str, ...] = ()


class Need(_Named):
    """One need: its window (weeks after the as-of date), severity, who can have it, and what to ask at the door."""

    horizon_weeks: float = Field(default=8, gt=0, le=104)
    lead_weeks: float = Field(default=0, ge=0, le=104)
    severity: int = Field(default=2, ge=1, le=3)
    who: str = ""
    sensitive: bool = False
    keywords: tuple[str, ...] = ()
    ask: Name | None = None
    kinds: tuple[NeedKind, ...] = ()  # what it is about, where its words do not tell
    ranking: Ranking = "model"  # by what lists put households first

    @property
    def words(self) -> tuple[str, ...]:
        """Return what people may write for it: its id and its names."""
        return tuple(filter(None, (self.id, self.name.zh, self.name.en)))

    @property
    def about(self) -> frozenset[str]:
        """Return what the need is about: ``kinds``, or what its id, name, keywords and ``who`` tell."""
        return frozenset(self.kinds) or kinds_of(
            self.id, self.name.zh, self.name.en, self.who, *self.keywords
        )

    @field_validator("ask", mode="before")
    @classmethod
    def _plain_ask(cls, value: Any) -> Any:
        return {"zh": value, "en": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _readable_who(self) -> "Need":
        parse(self.who, f"need {self.id}")
        return self


class Group(_Named):
    """A group that audits watch: households of ``who`` that have been known for at most ``known_within_weeks``.

    Households of the first export are not newcomers. At least one of the two must be given; both must hold.
    """

    who: str = ""
    known_within_weeks: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _says_who(self) -> "Group":
        if not self.who.strip() and self.known_within_weeks is None:
            raise Mistake(
                f"group {self.id}：请写 who 或 known_within_weeks",
                f"group {self.id}: give who or known_within_weeks",
            )
        parse(self.who, f"group {self.id}")
        if self.id == "grid" or "=" in self.id:
            raise Mistake(
                f"group {self.id}：id 不能是 grid，也不能含 =",
                f"group {self.id}: an id may not be grid nor hold =",
            )
        return self


class Programme(_Named):
    """One programme: the needs it serves, its seats (and those taken), and the month-days between which it runs.

    ``grids``: the grids that it serves (empty: all). ``fund``: id of the fund that pays. ``enrolment_weeks``: weeks
    before its first day by which people must have been told. ``enrol_until``: last month-day on which people can join
    (empty: any time).
    """

    needs: tuple[str, ...] = ()
    seats: int | None = Field(default=None, ge=0)
    seats_taken: int | None = Field(default=None, ge=0)
    opens: str = ""
    closes: str = ""
    enrol_until: str = ""
    organiser: str = ""
    fund: str = ""
    grids: tuple[str, ...] = ()
    cost_per_seat: float | None = Field(default=None, ge=0)
    enrolment_weeks: float = Field(default=2, ge=0, le=52)

    @field_validator("opens", "closes", "enrol_until", mode="before")
    @classmethod
    def _unquoted(cls, value: Any) -> Any:
        return value.isoformat() if isinstance(value, date) else value

    @field_validator("opens", "closes", "enrol_until")
    @classmethod
    def _month_and_day(cls, value: str) -> str:
        if value and not MONTH_AND_DAY.fullmatch(value):
            raise Mistake(f"请写月-日，例如 06-20：{value}", f"write month-day, such as 06-20: {value}")
        *_, month, day = (int(part) for part in re.split(r"[-/.]", value)) if value else (1, 1)
        if day > monthrange(LEAP_YEAR, month)[1]:
            raise Mistake(f"没有这一天：{value}", f"no such day: {value}")
        return value


class Fund(_Named):
    """One fund: its budget in yuan, how much of it is spent, and the needs it may pay for (empty: all)."""

    budget: float = Field(default=0, ge=0)
    spent: float = Field(default=0, ge=0)
    needs: tuple[str, ...] = ()


class Identity(_Section):
    """The community's own name, telephone (by which residents check who is calling), timezone and language."""

    name: str = ""
    phone: str = ""
    timezone: str = "Asia/Shanghai"
    language: str = "zh-CN"

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise Mistake(f"没有这个时区：{value}", f"no such timezone: {value}") from error
        return value

    @field_validator("language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        if not value.lower().startswith(("zh", "en")):
            raise Mistake(f"只有 zh-CN 和 en，没有 {value}", f"zh-CN or en, not {value}")
        return value


class RiskShares(_Section):
    """Shares of households in the red tier, and in the yellow tier that follows it."""

    red: float = Field(default=0.02, ge=0, le=1)
    yellow: float = Field(default=0.08, ge=0, le=1)


class Parity(_Section):
    """Groups to be reached alike: of no group may the share of need that is expected to be met fall short of the whole
    town's by more than ``tolerance``, a share of the town's. ``grid`` stands for every grid.
    """

    groups: tuple[str, ...] = Field(min_length=1)
    tolerance: float = Field(default=0.1, ge=0, le=1)


class PhaseIn(_Section):
    """Of households that rank alike at the edge of the week's visits, a share ``later`` waits for ``weeks`` by lot.

    ``band``: how far from the edge a household may rank to take part, a share of the visits there.
    """

    weeks: int = Field(default=6, ge=1, le=26)
    later: float = Field(default=0.5, gt=0, lt=1)
    band: float = Field(default=0.25, gt=0, le=1)


class OutreachSettings(_Section):
    """How many visits the community can make, and how they are chosen."""

    visits_per_worker: int = Field(default=6, ge=0)
    explore_share: float = Field(default=0.1, ge=0, le=1)
    explore: Literal["uniform", "weighted"] = "uniform"
    explore_floor: float = Field(default=0.25, gt=0, le=1)  # of the propensity of a uniform draw
    cooldown_weeks: float = Field(default=6, ge=0)
    visits_per_household_a_year: int = Field(default=12, ge=1)
    keep_bonus: float = Field(default=0.3, ge=0)  # worth of a listed household that was not visited, on top
    risk: RiskShares = RiskShares()
    parity: Parity | None = None
    phase_in: PhaseIn | None = None


class RetentionSettings(_Section):
    """For how many weeks what is made of the data is kept: None for ever.

    ``published``: weeks that the service shows, with the records they were made from, by which ``replay`` makes them
    again. ``lists``: the files of a week. ``quarantine``: rows that were set aside.
    """

    published: int = Field(default=8, ge=1)
    lists: int | None = Field(default=None, ge=1)
    quarantine: int | None = Field(default=None, ge=1)


class SharingSettings(_Section):
    """What other communities may have of this one: its model, and sums without names on the page of the county."""

    model: bool = False
    figures: bool = False


class Targets(_Section):
    """What the office aims at in four weeks; nothing is set by default. Shown beside what was done."""

    visits_per_worker: int | None = Field(default=None, ge=0)
    never_visited: float | None = Field(default=None, ge=0, le=1)  # largest share of a grid's households
    promises_kept: float | None = Field(default=None, ge=0, le=1)  # smallest share


class ProjectSettings(_Section):
    """How many households must share a need that no seats serve for a project to be proposed."""

    smallest: int = Field(default=20, ge=1)


class FeatureSettings(_Section):
    """Attributes that no model uses though audits do, names of attributes on lists, and attributes told as reasons."""

    exclude: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()  # attributes that a retrain took for leaks, and that were known at the time
    names: dict[str, Name] = Field(default_factory=dict)
    # attribute: needs, or kinds of needs, for which it may be told as a reason; none: never
    reasons: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    _by_held_names = field_validator("exclude", "reasons")(by_held_names)

    @field_validator("names", mode="before")
    @classmethod
    def _plain_names(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {at: {"zh": word, "en": word} if isinstance(word, str) else word for at, word in value.items()}


class Departure(_Section):
    """A register's column that says who left or died: its values, and the column with the day, if there is one."""

    column: str = Field(min_length=1)
    values: tuple[str, ...] = ("是",)
    date: str = ""

    @field_validator("values", mode="before")
    @classmethod
    def _as_texts(cls, value: Any) -> Any:
        """Turn the values into texts, as YAML reads 是 as a text but yes and 1 as a truth and a number."""
        values = value if isinstance(value, list | tuple) else [value]
        return [str(value).lower() if isinstance(value, bool) else str(value) for value in values]


class Community(_Section):
    """The content of community.yaml."""

    community: Identity
    needs: tuple[Need, ...] = Field(min_length=1)
    groups: tuple[Group, ...] = ()
    programmes: tuple[Programme, ...] = ()
    funds: tuple[Fund, ...] = ()
    outreach: OutreachSettings = OutreachSettings()
    projects: ProjectSettings = ProjectSettings()
    sharing: SharingSettings = SharingSettings()
    targets: Targets = Targets()
    features: FeatureSettings = FeatureSettings()
    retention: RetentionSettings = RetentionSettings()
    places: tuple[Place, ...] = ()
    retrain_on_alarm: bool = False  # `weekly` and `monitor` train when an alarm that this can cure is raised
    silent_after_weeks: float | None = Field(default=None, gt=0)  # of a register that grows only by requests
    left: Departure | None = None
    died: Departure | None = None

    @model_validator(mode="after")
    def _ids_agree(self) -> "Community":
        sections = {"needs": self.needs, "groups": self.groups}
        for title, rows in (sections | {"programmes": self.programmes, "funds": self.funds}).items():
            ids = [row.id for row in rows]
            twice = sorted({identifier for identifier in ids if ids.count(identifier) > 1})
            if twice:
                raise Mistake(f"{title} 里 id 重复：{twice[0]}", f"{title}: id {twice[0]} stands twice")
        names = [need.name.zh for need in self.needs if need.name.zh]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise Mistake(
                f"needs 里有两个需求都叫 {twice[0]}，写名称的诉求分不清是哪个",
                f"needs: two are called {twice[0]}; nobody can tell which one a request by name means",
            )
        known, funds = {need.id for need in self.needs}, {fund.id for fund in self.funds}
        for title, rows in (("programmes", self.programmes), ("funds", self.funds)):
            for row in rows:
                for need in sorted({*row.needs} - known):
                    raise Mistake(
                        f"{title} {row.id} 的 need {need} 不在 needs 里",
                        f"{title} {row.id}: need {need} is not among the needs",
                    )
        for attribute, told_for in self.features.reasons.items():
            for need in sorted({*told_for} - known - {*KINDS}):
                raise Mistake(
                    f"features.reasons.{attribute}：{need} 既不是 needs 的 id，也不是 {'、'.join(KINDS)}",
                    f"features.reasons.{attribute}: {need} is no need's id and none of {', '.join(KINDS)}",
                )
        for programme in self.programmes:
            if programme.fund and programme.fund not in funds:
                raise Mistake(
                    f"programmes {programme.id} 的 fund {programme.fund} 不在 funds 里",
                    f"programmes {programme.id}: fund {programme.fund} is not among the funds",
                )
        return self

    def need_index(self) -> dict[str, int]:
        """Return the position of each need's id in ``needs``, the order used by every array."""
        return {need.id: index for index, need in enumerate(self.needs)}

    def need_of_word(self) -> dict[str, str]:
        """Return the id of the need that each id and each name of a need means, in either language."""
        return {word: need.id for need in self.needs for word in need.words}
