"""All routes, one module per resource."""

from api.http.route import Route
from api.http.routes import audit, events, jobs, money, operators, owner_jobs, platform, reconciliations, testers

_EVERYWHERE: tuple[Route, ...] = (
    *jobs.ROUTES,
    *owner_jobs.ROUTES,
    *money.ROUTES,
    *testers.ROUTES,
    *operators.ROUTES,
    *reconciliations.ROUTES,
    *audit.ROUTES,
    *events.ROUTES,
    *platform.ROUTES,
)

ROUTES = platform.with_document(_EVERYWHERE)

WITHOUT_SANDBOX = platform.with_document(tuple(r for r in _EVERYWHERE if not r.path.startswith("/sandbox/")))
"""What there is where time and money are real."""
