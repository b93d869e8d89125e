"""Settings of the service, read from the environment; unsafe combinations are refused."""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from features.contract.settings_mistakes import mistake_words
from features.language import Mistake, UserError, joined_names
from service.web.base.access import SCOPES, Role

SHORTEST_SECRET = 32
DATABASE_FILE = "service.db"  # in the workspace, unless XIANYING_DATABASE_URL names another database


class Settings(BaseSettings):
    """The service's settings: each field is the environment variable ``XIANYING_`` and its name (docs/service.md)."""

    model_config = SettingsConfigDict(env_prefix="XIANYING_", extra="ignore", frozen=True)

    workspace: Path = Field(Path("workspace"), description="directory with records, model and weeks")
    environment: Literal["production", "development"] = Field(
        "production", description="`development` allows http and no secret, on this machine only"
    )
    secret: SecretStr = Field(SecretStr(""), description="32 characters or more; signs sign-in forms")
    database_url: str = Field(
        "", description="`postgresql://…`; without it, `service.db` (SQLite) in the workspace"
    )
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    workers: int = Field(1, ge=1, le=64, description="number of processes")
    trusted_proxies: str = Field(
        "127.0.0.1", description="addresses whose `X-Forwarded-*` headers are believed"
    )
    session_hours: float = Field(12, gt=0, le=24 * 14, description="how long a sign-in lasts")
    attempts: int = Field(
        5, ge=1, le=100, description="wrong passwords before a login is locked for a browser or address"
    )
    lock_seconds: float = Field(
        30, gt=0, description="first lock-out; doubles with each further wrong password, up to 15 minutes"
    )
    second_factor: str = Field(
        "", description="roles that need a second factor besides the password, such as `coordinator,auditor`"
    )
    identity_seconds: float = Field(
        5, ge=0, le=60, description="how long a key or sign-in may still work after it was revoked"
    )
    rate: str = Field("6000/minute", description="requests of one key or person")
    sign_in_rate: str = Field("30/minute", description="sign-ins from one address")
    request_seconds: float = Field(
        30, gt=0, le=600, description="within which a request must be whole, and a piece of an answer read"
    )
    connections: int = Field(
        500, ge=10, le=100_000, description="open at once in each process; more are answered 503"
    )
    largest_body: int = Field(2_000_000, ge=1000, description="bytes of a request's body")
    audit_durability: Literal["process", "disk"] = Field(
        "process",
        description="`disk`: an answer leaves only once its audit entry would survive a power cut; slower",
    )
    refresh_seconds: float = Field(
        1.0, gt=0, le=60, description="how often a new week, refusals and deletions are looked for"
    )
    preload: bool = Field(
        True, description="load the model at the start; else the first live score or explanation waits for it"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="of the log")
    oidc_issuer: str = Field("", description="single sign-on: address of the OpenID Connect issuer")
    oidc_client_id: str = Field("", description="single sign-on: client id")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="single sign-on: client secret")
    public_address: str = Field(
        "",
        description="address by which browsers reach the service, such as `https://visits.example.org`: single"
        " sign-on comes back there, whatever host a request names; needed with single sign-on in production",
    )
    oidc_claim: str = Field(
        "preferred_username",
        description="single sign-on: the claim that holds a person's login (an email only where verified)",
    )

    @field_validator("second_factor")
    @classmethod
    def _known_roles(cls, value: str) -> str:
        people = sorted(SCOPES.keys() - {Role.MACHINE})
        for name in filter(None, map(str.strip, value.split(","))):
            if name not in people:
                known = joined_names(people)
                raise Mistake(f"没有角色 {name}，只有 {known}", f"no role {name}; there are {known}")
        return value

    @field_validator("rate", "sign_in_rate")
    @classmethod
    def _readable_rate(cls, value: str) -> str:
        from limits import parse

        try:
            parse(value)
        except ValueError as error:
            raise Mistake(
                f"“{value}” 看不懂，写法如 30/minute", f"cannot read '{value}': write such as 30/minute"
            ) from error
        return value

    @model_validator(mode="after")
    def _safe(self) -> "Settings":
        local = self.host in ("127.0.0.1", "localhost", "::1")
        if self.environment == "development":
            if not local:
                raise Mistake(
                    "development 只能在本机（XIANYING_HOST=127.0.0.1）使用",
                    "development is for this machine only (XIANYING_HOST=127.0.0.1)",
                )
        elif len(self.secret.get_secret_value()) < SHORTEST_SECRET:
            raise Mistake(
                "请设置 XIANYING_SECRET（至少 32 个字符，可用 openssl rand -hex 32 生成）；"
                "只在本机试用可设 XIANYING_ENVIRONMENT=development",
                "set XIANYING_SECRET to 32 characters or more (openssl rand -hex 32); to try things on"
                " this machine set XIANYING_ENVIRONMENT=development",
            )
        if self.single_sign_on and self.secure and not self.public_address:
            raise Mistake(
                "用单点登录要设置 XIANYING_PUBLIC_ADDRESS（浏览器访问本服务的网址，如 https://visits.example.org）",
                "single sign-on needs XIANYING_PUBLIC_ADDRESS, by which browsers reach the service, such as"
                " https://visits.example.org",
            )
        return self

    @field_validator("public_address")
    @classmethod
    def _whole_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/?#@\s]+/?", value):
            raise Mistake(
                f"“{value}” 不是完整的网址，写法如 https://visits.example.org",
                f"'{value}' is no whole address: write such as https://visits.example.org",
            )
        return value.rstrip("/")

    @cached_property
    def second_factor_roles(self) -> frozenset[str]:
        """Return the roles that need a second factor."""
        return frozenset(filter(None, map(str.strip, self.second_factor.split(","))))

    @property
    def secure(self) -> bool:
        """Tell whether cookies are sent over https only."""
        return self.environment == "production"

    @property
    def single_sign_on(self) -> bool:
        """Tell whether an OpenID Connect issuer is configured."""
        return bool(self.oidc_issuer and self.oidc_client_id)

    @cached_property
    def database(self) -> str:
        """Return SQLAlchemy's address of the database in use."""
        if self.database_url:
            head, _, rest = self.database_url.partition("://")
            return f"postgresql+psycopg://{rest}" if head in ("postgres", "postgresql") else self.database_url
        return f"sqlite:///{(self.workspace.resolve() / DATABASE_FILE).as_posix()}"


def read_settings(**given: object) -> Settings:
    """Read the settings from the environment, with those ``given`` in their place.

    Raises UserError that names the first wrong one.
    """
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        words = mistake_words(first)
        raise UserError(f"XIANYING_{name}: {words}" if name else words) from error


def has_service(workspace: Path) -> bool:
    """Tell whether a service was ever used with this workspace."""
    return (workspace / DATABASE_FILE).is_file() or bool(os.environ.get("XIANYING_DATABASE_URL"))


def command_settings(workspace: Path) -> Settings:
    """Return settings for commands, which work on the database without serving and so need no XIANYING_SECRET."""
    given = {} if os.environ.get("XIANYING_SECRET") else {"environment": "development", "host": "127.0.0.1"}
    return read_settings(workspace=workspace, **given)
