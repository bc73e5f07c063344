"""Every route of the server, in one table."""

from sync_server.http import (
    alerts,
    beacons,
    credentials,
    deliveries,
    devices,
    event,
    figures,
    fleet,
    gates,
    health,
    imports,
    live,
    mail,
    mail_texts,
    openapi,
    operators,
    pages,
    participants,
    partners,
    reports,
    review,
    sessions,
    tickets,
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
        *operators.ROUTES,
        *imports.ROUTES,  # before `/participants/{id}`
        *participants.ROUTES,
        *credentials.ROUTES,
        *tickets.ROUTES,
        *beacons.ROUTES,
        *review.ROUTES,
        *figures.ROUTES,
        *reports.ROUTES,
        *alerts.ROUTES,
        *deliveries.ROUTES,
        *mail.ROUTES,
        *mail_texts.ROUTES,
        *live.ROUTES,
        *openapi.ROUTES,
    )
