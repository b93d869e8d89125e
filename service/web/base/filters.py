"""Query parameters that a route does not take are refused: a mistyped filter must not widen a list."""

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from features.language import say
from service.web.base.problems import Problem


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
            listed = say("、", ", ").join(names) or "—"
            raise Problem(
                422,
                "unknown-filter",
                say(f"没有参数 {name}", f"no parameter {name}"),
                say(f"这里有：{listed}", f"there are: {listed}"),
                parameter=name[:100],
            )


def _names(dependant: Dependant) -> list[str]:
    """List the query parameters that a route and what it depends on take."""
    names = [str(field.alias) for field in dependant.query_params]
    return names + [name for child in dependant.dependencies for name in _names(child)]
