"""The supervisors' routes on the kiosk's server (API §3.8): JSON in, JSON out, a token for 5 minutes.

The token comes as `Authorization: Bearer …` (or as the body's `token`).
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web

from edge_agent import system_clock
from edge_agent.kiosk.guard import error_answer
from edge_agent.kiosk.web import KioskRoute
from edge_agent.manual.desk import Desk
from edge_agent.manual.errors import ManualError
from edge_agent.manual.finder import Finder
from edge_agent.manual.gate_settings import BRIGHTNESS_MIN, Mode
from edge_agent.manual.recent import Recent
from edge_agent.manual.sign_in import Session, SignIn
from edge_agent.ports import Order
from shared.errors import UsageError
from shared.limits import CODE_CHARS_MAX, GROUP_PEOPLE_MAX
from shared.masking import mask_name
from shared.model import Direction, Override
from shared.wire import OperatorLine, Request

RECENT_SHOWN = 20
# No NUL: the server could not use a scan that holds one, and it would be kept apart as malformed.
_NO_NUL = r"^[^\x00]*$"
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=_NO_NUL)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=_NO_NUL)]
Action = Literal["admit", "refuse"]
R = TypeVar("R", bound="Asked")


class Asked(Request, kw_only=True):
    token: str | None = None


class SignInRequest(Request, kw_only=True):
    operator: Name
    pin: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class SearchRequest(Asked, kw_only=True):
    query: Name


class WalkInRequest(Request, kw_only=True):
    name: Name
    email: Name | None = None
    phone: Name | None = None
    organization: Name | None = None


class DecideRequest(Asked, kw_only=True):
    action: Action
    text: Text
    participant_id: Id | None = None
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=CODE_CHARS_MAX)] | None = None
    walk_in: WalkInRequest | None = None
    direction: Direction | None = None


class GroupRequest(Asked, kw_only=True):
    participant_ids: Annotated[list[Id], msgspec.Meta(min_length=1, max_length=GROUP_PEOPLE_MAX)]
    text: Text
    action: Action = "admit"
    direction: Direction | None = None


class UndoRequest(Asked, kw_only=True):
    scan_id: Id
    text: Text


class GateRequest(Asked, kw_only=True):
    mode: Mode | None = None
    direction: Direction | None = None
    brightness: Annotated[int, msgspec.Meta(ge=BRIGHTNESS_MIN, le=100)] | None = None
    volume: Annotated[int, msgspec.Meta(ge=0, le=100)] | None = None


class ManualWeb:
    """`checks` tells how camera, barrier and the rest are; `restart` starts the agent anew."""

    def __init__(
        self,
        sign_in: SignIn,
        desk: Desk,
        finder: Finder,
        recent: Recent,
        *,
        operators: Callable[[], Awaitable[list[OperatorLine]]],
        checks: Callable[[], dict[str, Any]],
        changed: Callable[[], None],
        restart: Callable[[], None],
    ) -> None:
        self._sign_in = sign_in
        self._desk = desk
        self._finder = finder
        self._recent = recent
        self._operators = operators
        self._checks = checks
        self._changed = changed
        self._restart = restart

    def routes(self) -> list[KioskRoute]:
        base = "/api/manual"
        return [
            ("GET", f"{base}/operators", self._list_operators),
            ("POST", f"{base}/session", self._open),
            ("POST", f"{base}/end", self._signed_in(Asked, self._end)),
            ("POST", f"{base}/search", self._signed_in(SearchRequest, self._search)),
            ("POST", f"{base}/recent", self._signed_in(Asked, self._list_recent)),
            ("POST", f"{base}/decide", self._signed_in(DecideRequest, self._decide)),
            ("POST", f"{base}/group", self._signed_in(GroupRequest, self._group)),
            ("POST", f"{base}/undo", self._signed_in(UndoRequest, self._undo)),
            ("POST", f"{base}/gate", self._signed_in(GateRequest, self._gate)),
            ("POST", f"{base}/checks", self._signed_in(Asked, self._check)),
            ("POST", f"{base}/restart", self._signed_in(Asked, self._start_anew)),
        ]

    # --- signing in -------------------------------------------------------------------------

    async def _list_operators(self, _request: web.Request) -> web.StreamResponse:
        """Whom to tap before the PIN: masked, since anybody may look."""
        found = [
            {"operatorId": one.operator_id, "maskedName": mask_name(one.name)}
            for one in await self._operators()
            if one.active and one.pin_hash
        ]
        return _json({"items": sorted(found, key=lambda one: one["maskedName"])})

    async def _open(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = await _body(request, SignInRequest)
            token, session = await self._sign_in.open(asked.operator.strip(), asked.pin)
        except ManualError as problem:
            return _problem(problem)
        return _json(
            {
                "token": token,
                "operatorId": session.operator_id,
                "name": session.name,
                "expiresInS": max(0, round(session.until_s - system_clock.monotonic_s())),
            }
        )

    def _signed_in(
        self, kind: type[R], handle: Callable[[Session, R], Awaitable[dict[str, Any]]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(request: web.Request) -> web.StreamResponse:
            try:
                asked = await _body(request, kind)
                session = await self._sign_in.session(_bearer(request) or asked.token)
                return _json(await handle(session, asked))
            except ManualError as problem:
                return _problem(problem)

        return handler

    async def _end(self, session: Session, _asked: Asked) -> dict[str, Any]:
        self._sign_in.close_all_of(session)
        return {}

    # --- people -----------------------------------------------------------------------------

    async def _search(self, _session: Session, asked: SearchRequest) -> dict[str, Any]:
        return await self._finder.search(asked.query)

    async def _list_recent(self, _session: Session, _asked: Asked) -> dict[str, Any]:
        items = self._recent.newest(RECENT_SHOWN)
        return {"items": [{**one, "mayUndo": self._desk.may_undo(one)} for one in items]}

    async def _decide(self, session: Session, asked: DecideRequest) -> dict[str, Any]:
        named = [asked.participant_id, asked.code, asked.walk_in]
        if sum(one is not None for one in named) != 1:
            raise UsageError("Name one of participantId, code and walkIn.")
        walk_in = None if asked.walk_in is None else self._desk.walk_in(_said(asked.walk_in))
        order = Order(
            override=_override(session, asked.text),
            admit=asked.action == "admit",
            direction=asked.direction,
            participant_id=asked.participant_id,
            code=asked.code,
            walk_in=walk_in,
        )
        return await self._desk.decide(session, order)

    async def _group(self, session: Session, asked: GroupRequest) -> dict[str, Any]:
        """One scan each, one text for all."""
        override = _override(session, asked.text)
        items = []
        for person_id in dict.fromkeys(asked.participant_ids):
            order = Order(
                override=override,
                admit=asked.action == "admit",
                direction=asked.direction,
                participant_id=person_id,
            )
            items.append(await self._desk.decide(session, order))
        return {"items": items}

    async def _undo(self, session: Session, asked: UndoRequest) -> dict[str, Any]:
        return await self._desk.undo(asked.scan_id, _override(session, asked.text))

    # --- the gate ---------------------------------------------------------------------------

    async def _gate(self, session: Session, asked: GateRequest) -> dict[str, Any]:
        given = {
            name: value
            for name in ("mode", "direction", "brightness", "volume")
            if (value := getattr(asked, name)) is not None
        }
        if given:
            await self._desk.change(session, given)
        self._changed()
        return self._desk.shown_settings()

    async def _check(self, _session: Session, _asked: Asked) -> dict[str, Any]:
        return self._checks()

    async def _start_anew(self, _session: Session, _asked: Asked) -> dict[str, Any]:
        self._restart()
        return {"restarting": True}


def _override(session: Session, text: str) -> Override:
    text = text.strip()
    if not text:
        raise UsageError("Say why: the text is empty.")
    return Override(session.operator_id, text)


def _said(walk_in: WalkInRequest) -> dict[str, str]:
    said = {
        name: value.strip()
        for name in ("name", "email", "phone", "organization")
        if (value := getattr(walk_in, name)) is not None and value.strip()
    }
    if "name" not in said:
        raise UsageError("A walk-in needs a name.")
    return said


async def _body(request: web.Request, kind: type[Any]) -> Any:
    if request.content_type != "application/json":
        raise UsageError("Send application/json.")
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise UsageError(str(problem)) from problem


def _bearer(request: web.Request) -> str | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def _problem(problem: ManualError) -> web.Response:
    answer = error_answer(problem.status, problem.code, str(problem))
    if problem.retry_after_s is not None:
        answer.headers["Retry-After"] = str(problem.retry_after_s)
    return answer


def _json(data: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(data), content_type="application/json")
