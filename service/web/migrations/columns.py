"""Columns that migrations add, written as the tables have them."""

import sqlalchemy as sa

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def number() -> sa.Column:
    """Return the column by which the database numbers a table's rows."""
    return sa.Column("id", NUMBER, primary_key=True)


def texts(optional: bool = False, **longest: int | None) -> list[sa.Column]:
    """Return columns of texts: the most characters of each by its name, None for any number."""
    return [
        sa.Column(name, sa.Text() if most is None else sa.String(most), nullable=optional)
        for name, most in longest.items()
    ]


def moments(*names: str, optional: bool = False) -> list[sa.Column]:
    """Return columns of moments by their names."""
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=optional) for name in names]


def noted() -> list[sa.Column]:
    """Return columns that tell who noted something, when, and since when the records have it."""
    return [*texts(by=120), *moments("at"), *moments("drained_at", optional=True)]
