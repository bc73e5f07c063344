"""Signing in and out, and access tokens for devices and services (API §2)."""

import asyncio
import base64
import secrets
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import msgspec
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection

from shared import wire
from shared.limits import DEVICE_TOKEN_TTL_S, SESSION_TTL_S
from shared.wire import TokenAnswer, format_time
from sync_server.http import answers
from sync_server.http.authentication import COOKIE, check_same_origin, session_token
from sync_server.http.errors import ApiError, invalid, too_many, unauthenticated
from sync_server.http.routing import FORM, Call, Route, json_response, no_content
from sync_server.identity import callers, devices, people, sessions
from sync_server.identity.keys import check_public_key
from sync_server.identity.rights import Right, Role
from sync_server.identity.throttle import Throttle
from sync_server.identity.tokens import (
    Granted,
    InvalidTokenError,
    check_assertion,
    claimed_device,
    read_certificate,
)

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GrantType = Annotated[str, Meta(extra_json_schema={"const": "client_credentials"})]
AssertionType = Annotated[str, Meta(extra_json_schema={"const": ASSERTION_TYPE})]
SignInName = Annotated[str, Meta(extra_json_schema={"maxLength": people.NAME_CHARS_MAX})]
SignInPassword = Annotated[str, Meta(extra_json_schema={"maxLength": people.PASSWORD_CHARS_MAX})]


class SignIn(wire.Request, kw_only=True):
    name: SignInName
    password: SignInPassword


class SignedIn(wire.Answer, kw_only=True, omit_defaults=False):
    token: str
    expires_at: str
    name: str
    role: str


class TokenForm(msgspec.Struct):
    """Form-encoded, as RFC 6749 and 7523 write it."""

    grant_type: GrantType
    client_assertion_type: AssertionType | UnsetType = UNSET
    client_assertion: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    client_secret: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET
    certificate: str | UnsetType = (
        UNSET  # of a device's enrolment, where this server has forgotten it
    )


async def sign_in(call: Call) -> web.StreamResponse:
    if "Origin" in call.request.headers:
        check_same_origin(call.request)
    request: SignIn = await call.body()
    services, failures = call.services, call.services.sign_in_failures
    if (
        len(request.name) > people.NAME_CHARS_MAX
        or len(request.password) > people.PASSWORD_CHARS_MAX
    ):
        raise invalid("name", "This can't be a name and a password.")
    keys = (f"name:{request.name}", f"address:{call.request.remote}")
    _slow_down(call, failures, *keys)
    for key in keys:  # counted before anything is awaited, so that many at once gain nothing
        failures.failed(key, services.monotonic_s())
    found = await services.database.read(lambda conn: people.password_hash_of(conn, request.name))
    if not await asyncio.to_thread(people.matches, found, request.password) or found is None:
        raise unauthenticated("Name or password is wrong.", "wrong_password")
    for key in keys:
        failures.succeeded(key)
    token = f"gss_{secrets.token_urlsafe(32)}"

    def job(conn: Connection) -> SignedIn | None:
        expires_ms = sessions.open_session(conn, found[0], token, call.received_ms)
        caller = sessions.find_session(conn, token, call.received_ms)
        if caller is None:
            return None
        return SignedIn(
            token=token,
            expires_at=format_time(expires_ms),
            name=caller.name,
            role=caller.role.value,
        )

    answer = await services.database.write(job)
    if answer is None:
        raise unauthenticated("Name or password is wrong.", "wrong_password")
    response = json_response(answer, 201)
    secure = urlsplit(services.base_url).scheme == "https"
    response.set_cookie(
        COOKIE, token, max_age=SESSION_TTL_S, httponly=True, samesite="Strict", secure=secure
    )
    return response


async def who_am_i(call: Call) -> web.StreamResponse:
    return json_response({"name": call.person.name, "role": call.person.role.value})


async def sign_out(call: Call) -> web.StreamResponse:
    token = session_token(call.request)
    if token is not None:
        held = token
        await call.services.database.write(lambda conn: sessions.close_session(conn, held))
    response = no_content()
    response.del_cookie(COOKIE)
    return response


async def token(call: Call) -> web.StreamResponse:
    """RFC 6749 `client_credentials`: a device with a signed assertion, a service with its key."""
    form = _form(await call.raw_body(FORM))
    services, address = call.services, f"address:{call.request.remote}"
    _slow_down(call, services.token_failures, address)
    if form.grant_type != "client_credentials":
        raise invalid("grant_type", "Only client_credentials is given.", "unsupported_grant_type")
    asserts = form.client_assertion is not UNSET or form.client_assertion_type is not UNSET
    if asserts and form.client_assertion_type != ASSERTION_TYPE:
        raise invalid("client_assertion_type", f"It must be {ASSERTION_TYPE}.")
    try:
        if form.client_assertion is not UNSET:
            subject = await _device_subject(call, form)
        else:
            subject = await _service_subject(call, form)
    except InvalidTokenError as error:
        services.token_failures.failed(address, services.monotonic_s())
        raise _invalid_client(str(error)) from error
    answer = TokenAnswer(
        access_token=services.tokens.issue(subject, call.received_ms),
        token_type="Bearer",  # noqa: S106 - the type's name in RFC 6750
        expires_in=DEVICE_TOKEN_TTL_S,
    )
    return json_response(answer)


async def _device_subject(call: Call, form: TokenForm) -> str:
    services, assertion = call.services, str(form.client_assertion)
    device_id = claimed_device(assertion)
    device = await services.database.read(lambda conn: devices.find_device(conn, device_id))
    granted: Granted | None = None
    if device is None and isinstance(form.certificate, str):
        granted = read_certificate(services.keys, form.certificate, services.event_id)
    public_key = device.public_key if device is not None else None
    if granted is not None and granted.device_id == device_id:
        public_key = granted.public_key
    if public_key is None:
        raise InvalidTokenError("There is no such device.")
    proof = check_assertion(
        assertion, check_public_key(public_key), _audiences(call), call.received_ms
    )

    def job(conn: Connection) -> bool:
        fresh = devices.use_assertion(conn, proof, call.received_ms)
        if fresh and granted is not None:
            devices.adopt(conn, granted, call.received_ms)
        return fresh

    if not await services.database.write(job):
        raise InvalidTokenError("This assertion was used before: make a new one each time.")
    if granted is not None:
        services.live.gate_news()
    # A revoked device gets a token too: all it opens is the quarantine of its uploads (DESIGN §5).
    return device_id


async def _service_subject(call: Call, form: TokenForm) -> str:
    name, key = _basic(call.request) or (form.client_id, form.client_secret)
    if key is UNSET:
        raise invalid("client_assertion", "Send client_assertion, or client_secret.")
    secret = str(key)
    caller = await call.services.database.read(lambda conn: callers.find_key_caller(conn, secret))
    if caller is None or (name and name != caller.name) or caller.role is Role.DEVICE:
        raise InvalidTokenError("There is no such client, or its secret is another.")
    return callers.SERVICE_SUBJECT + caller.name


def _basic(request: web.Request) -> tuple[str, str] | None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, key = base64.b64decode(given, validate=True).decode().partition(":")
    except ValueError as error:
        raise InvalidTokenError("Authorization: Basic can't be read.") from error
    if not colon:
        raise InvalidTokenError("Authorization: Basic can't be read.")
    return name, key


def _audiences(call: Call) -> set[str]:
    """This server's event and URL; never what the request's Host says, which anybody can choose."""
    url = call.services.base_url.rstrip("/")
    return {call.services.event_id, url, url.replace("//127.0.0.1:", "//localhost:"),
            f"{url}/oauth/token"}  # fmt: skip


def _form(body: bytes) -> TokenForm:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError as error:
        raise invalid(None, "The body is not form-encoded.", "malformed_form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise invalid(None, "A field may be given once.")
    known = {field.name for field in msgspec.structs.fields(TokenForm)}
    for name in fields:
        if name not in known:
            raise invalid(name, f"There is no field {name!r} here.", "unknown_member")
    if "grant_type" not in fields:
        raise invalid("grant_type", "grant_type is missing.")
    return TokenForm(**fields)


def _slow_down(call: Call, failures: Throttle, *keys: str) -> None:
    wait_s = max(failures.wait_s(key, call.services.monotonic_s()) for key in keys)
    if wait_s:
        raise too_many("Too many failed tries: wait a little.", wait_s)


def _invalid_client(message: str) -> ApiError:
    headers = {"WWW-Authenticate": 'Bearer realm="gatesync", error="invalid_client"'}
    return ApiError(401, "invalid_client", message, headers=headers)


ROUTES = (
    Route("POST", "/api/v1/session", Right.ANYONE, sign_in,
          "Sign in: a cookie for the page, and a token that works as a bearer", "identity",
          request=SignIn, response=SignedIn,
          example={"name": "owner", "password": "correct horse battery"}, status=201, statuses=(400, 401, 403, 413, 415)),
    Route("GET", "/api/v1/session", Right.VIEWER, who_am_i,
          "Who is signed in", "identity", response=answers.WhoAmI),
    Route("DELETE", "/api/v1/session", Right.VIEWER, sign_out,
          "Sign out", "identity", status=204),
    Route("POST", "/oauth/token", Right.ANYONE, token,
          "An access token for 15 minutes: a device's signed assertion or a service's key",
          "identity", request=TokenForm, request_type=FORM, response=TokenAnswer,
          statuses=(400, 401, 413, 415)),
    Route("POST", "/api/v1/oauth/token", Right.ANYONE, token,
          "The same, under the API's prefix", "identity", request=TokenForm,
          request_type=FORM, response=TokenAnswer, statuses=(400, 401, 413, 415)),
)  # fmt: skip
