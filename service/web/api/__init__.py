"""Routes under /v1: ``MODULES`` in the order of the API's page."""

from service.web.api import (
    audit,
    feedback,
    health,
    live,
    models,
    needs,
    outcomes,
    residents,
    scores,
    sessions,
    visits,
    weeks,
)

MODULES = (
    scores,
    health,
    sessions,
    visits,
    weeks,
    needs,
    outcomes,
    feedback,
    live,
    models,
    audit,
    residents,
)
