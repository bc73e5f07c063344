"""Every route of the server, in one table."""

from sync_server.http import (
    devices,
    event,
    figures,
    fleet,
    gates,
    health,
    live,
    pages,
    partners,
    review,
    sessions,
)
from sync_server.http.routing import Route


def all_routes() -> tuple[Route, ...]:
    return (
        *health.ROUTES,
        *pages.ROUTES,
        *sessions.ROUTES,
        *devices.ROUTES,
        *partners.ROUTES,
        *event.ROUTES,
        *fleet.ROUTES,
        *gates.ROUTES,
        *review.ROUTES,
        *figures.ROUTES,
        *live.ROUTES,
    )
