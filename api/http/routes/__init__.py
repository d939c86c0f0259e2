"""All routes, one module per resource."""

from api.http.route import Route
from api.http.routes import jobs, money, operators, owner_jobs, platform, testers

ROUTES: tuple[Route, ...] = (
    *jobs.ROUTES,
    *owner_jobs.ROUTES,
    *money.ROUTES,
    *testers.ROUTES,
    *operators.ROUTES,
    *platform.ROUTES,
)

WITHOUT_SANDBOX: tuple[Route, ...] = tuple(route for route in ROUTES if not route.path.startswith("/sandbox/"))
"""What there is where time and money are real."""
