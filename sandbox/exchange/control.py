"""The control port: faults, options, profiles and ledgers over HTTP. It listens on the loopback address only."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.exchange.faults import PRESETS
from sandbox.exchange.records import FaultRule, PendingFault, Profile, RequestEntry, TokenEntry
from sandbox.exchange.state import ExchangeState

_REQUESTS = TypeAdapter(list[RequestEntry])
_TOKENS = TypeAdapter(list[TokenEntry])


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Faults(_Body):
    rules: list[FaultRule] | None = None
    preset: str | None = None


class _Seed(_Body):
    seed: int


class _Clock(_Body):
    shift_seconds: float = Field(ge=-10 * 365 * 86_400, le=10 * 365 * 86_400)


class _Identity(_Body):
    ttl: float = Field(default=3600, ge=-86_400, le=366 * 86_400)


class _Dead(_Body):
    count: int = Field(default=1, ge=0)


class _List(_Body):
    rows: int | None = Field(ge=0)


class _Control:
    def __init__(self, state: ExchangeState) -> None:
        self._state = state

    async def get_faults(self, request: Request) -> Response:  # noqa: ARG002 - starlette's signature
        return self._fault_state()

    async def put_faults(self, request: Request) -> Response:
        body = _Faults.model_validate(await request.json())
        if (body.rules is None) == (body.preset is None):
            raise HTTPException(400, "give either rules or preset")
        if body.preset is not None and body.preset not in PRESETS:
            raise HTTPException(400, f"preset is one of {', '.join(PRESETS)}")
        self._state.replace_rules(PRESETS[body.preset] if body.preset is not None else body.rules or [])
        return self._fault_state()

    async def next_calls(self, request: Request) -> Response:
        self._state.add_pending(PendingFault.model_validate(await request.json()))
        return self._fault_state()

    async def put_seed(self, request: Request) -> Response:
        self._state.reseed(_Seed.model_validate(await request.json()).seed)
        return self._fault_state()

    async def get_options(self, request: Request) -> Response:  # noqa: ARG002 - starlette's signature
        return JSONResponse(self._state.options.model_dump(mode="json"))

    async def put_options(self, request: Request) -> Response:
        changes = await request.json()
        if not isinstance(changes, dict):
            raise HTTPException(400, "give an object of options")
        return JSONResponse(self._state.change_options(changes).model_dump(mode="json"))

    async def put_clock(self, request: Request) -> Response:
        self._state.shift = timedelta(seconds=_Clock.model_validate(await request.json()).shift_seconds)
        return JSONResponse({"shift_seconds": self._state.shift.total_seconds()})

    async def get_profiles(self, request: Request) -> Response:  # noqa: ARG002 - starlette's signature
        return JSONResponse([profile.model_dump(mode="json") for profile in self._state.profiles()])

    async def post_profiles(self, request: Request) -> Response:
        stored = self._state.put_profile(Profile.model_validate(await request.json()))
        return JSONResponse(stored.model_dump(mode="json"), 201)

    async def post_identity(self, request: Request) -> Response:
        body = _Identity.model_validate(await request.json())
        token = self._state.issue_identity(self._profile(request), timedelta(seconds=body.ttl))
        return JSONResponse({"token": token}, 201)

    async def put_dead(self, request: Request) -> Response:
        body = _Dead.model_validate(await request.json())
        self._state.issue_dead_next(self._profile(request), body.count)
        return JSONResponse({"count": body.count})

    async def put_list(self, request: Request) -> Response:
        body = _List.model_validate(await request.json())
        self._state.cut_list(self._profile(request), body.rows)
        return JSONResponse({"rows": body.rows})

    async def get_requests(self, request: Request) -> Response:
        wanted = dict(request.query_params)
        try:
            after = int(wanted.pop("after", "0"))
        except ValueError:
            raise HTTPException(400, "after is a number") from None
        if not wanted.keys() <= {"call", "profile", "token_id"}:
            raise HTTPException(400, "requests are narrowed by after, call, profile and token_id")
        found = [
            entry
            for entry in self._state.requests(after=after)
            if all(getattr(entry, field) == value for field, value in wanted.items())
        ]
        return Response(_REQUESTS.dump_json(found), media_type="application/json")

    async def get_tokens(self, request: Request) -> Response:
        profile = request.query_params.get("profile")
        found = [token for token in self._state.tokens() if profile in {None, token.profile}]
        return Response(_TOKENS.dump_json(found), media_type="application/json")

    async def revoke_token(self, request: Request) -> Response:
        # The decoded path would take an encoded slash in the id for a separator.
        raw = request.scope["raw_path"].decode("latin-1")
        token_id = unquote(raw.removeprefix("/tokens/").removesuffix("/revoke"))
        if self._state.token(token_id) is None:
            raise HTTPException(404, f"no token is called {token_id}")
        if self._state.revoke(token_id, by="person") is None:
            raise HTTPException(409, f"token {token_id} is revoked already")
        revoked = self._state.token(token_id)
        return Response(revoked.model_dump_json() if revoked else None, media_type="application/json")

    async def get_secrets(self, request: Request) -> Response:  # noqa: ARG002 - starlette's signature
        return JSONResponse({"tokens": self._state.raw_secrets(), "identities": list(self._state.raw_identities())})

    async def reset(self, request: Request) -> Response:  # noqa: ARG002 - starlette's signature
        self._state.reset()
        return JSONResponse({})

    def _profile(self, request: Request) -> str:
        """Return the name in the path, or refuse one that no profile has."""
        name = str(request.path_params["profile"])
        if self._state.profile(name) is None:
            raise HTTPException(404, f"no profile is called {name}")
        return name

    def _fault_state(self) -> Response:
        seed, rules, pending = self._state.fault_state()
        return JSONResponse(
            {
                "seed": seed,
                "rules": [rule.model_dump(mode="json") for rule in rules],
                "pending": [one.model_dump(mode="json") for one in pending],
            }
        )


def control_app(state: ExchangeState) -> Starlette:
    """Return the control port's application; `sandbox.client.ControlClient` is its documentation."""
    control = _Control(state)
    handlers: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("GET", "/faults", control.get_faults),
        ("PUT", "/faults", control.put_faults),
        ("POST", "/faults/next", control.next_calls),
        ("PUT", "/seed", control.put_seed),
        ("GET", "/options", control.get_options),
        ("PUT", "/options", control.put_options),
        ("PUT", "/clock", control.put_clock),
        ("GET", "/profiles", control.get_profiles),
        ("POST", "/profiles", control.post_profiles),
        ("POST", "/identity/{profile}", control.post_identity),
        ("PUT", "/dead/{profile}", control.put_dead),
        ("PUT", "/list/{profile}", control.put_list),
        ("GET", "/requests", control.get_requests),
        ("GET", "/tokens", control.get_tokens),
        ("POST", "/tokens/{token_id:path}/revoke", control.revoke_token),
        ("GET", "/secrets", control.get_secrets),
        ("POST", "/reset", control.reset),
    ]
    return Starlette(
        routes=[Route(path, handler, methods=[method]) for method, path, handler in handlers],
        exception_handlers={HTTPException: _refuse, ValueError: _mistake, ValidationError: _mistake},
    )


async def _refuse(request: Request, error: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail: Any = error.detail if isinstance(error, HTTPException) else str(error)
    return JSONResponse({"error": detail}, status)


async def _mistake(request: Request, error: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    return JSONResponse({"error": str(error)}, 400)
