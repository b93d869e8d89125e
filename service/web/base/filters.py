"""Query parameters that a route does not take, and values that do not exist, are refused: a mistyped filter must
neither widen a list nor empty it."""

from collections.abc import Collection

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from features.language import joined_names, say
from service.web.base.problems import Problem

SHOWN = 20  # values in a message


def refuse_unknown(request: Request) -> None:
    """Raise a 422 problem for a query parameter that the route does not take: a mistyped filter must not widen a list."""
    if not request.query_params:
        return
    route: APIRoute = request.scope["route"]
    # of a route that reads its parameters itself
    declared = (route.openapi_extra or {}).get("parameters", [])
    names = [
        *_names(route.dependant),
        *(parameter["name"] for parameter in declared if parameter["in"] == "query"),
    ]
    for name in request.query_params:
        if name not in names:
            listed = joined_names(names) or "—"
            raise Problem(
                422,
                "unknown-filter",
                f"没有参数 {name}",
                f"no parameter {name}",
                detail=say(f"这里有：{listed}", f"there are: {listed}"),
                parameter=name[:100],
            )


def refuse_unless_known(parameter: str, value: str, known: Collection[str]) -> None:
    """Raise a 422 problem for a value that is not among those that the asker may name.

    ``parameter``: what the value is of, for the message, which does not repeat the value: it may be a need out of sight.
    ``known``: all of them, in the order in which to tell them.
    """
    if value in known:
        return
    values = [*known]
    listed = joined_names(values[:SHOWN]) + ("…" if len(values) > SHOWN else "")
    raise Problem(
        422,
        "unknown-value",
        f"没有这个 {parameter}",
        f"no such {parameter}",
        detail=say(f"有：{listed or '（没有）'}", f"there are: {listed or 'none'}"),
        parameter=parameter,
        allowed=values,
    )


def _names(dependant: Dependant) -> list[str]:
    """List the query parameters that a route and what it depends on take."""
    names = [str(field.alias) for field in dependant.query_params]
    return names + [name for child in dependant.dependencies for name in _names(child)]
