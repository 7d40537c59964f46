"""Logged-in access to one Vault: every answer comes back as `Answer`, every failure as one of `worker.errors`."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import hvac
import requests
import structlog
from hvac.adapters import RawAdapter
from pydantic import SecretStr

from worker.errors import (
    PermanentError,
    RotatorError,
    TransientError,
    VaultForbiddenError,
    VaultRefusedError,
    VaultUnavailableError,
)
from worker.network import bounded
from worker.outside import authorities
from worker.ports import Clock
from worker.vault.approle import AppRole
from worker.vault.errors import Answer, NoAnswerError, login_denied, read_answer, refusal, transport_error
from worker.vault.network import CarefulSession

TIMEOUT_SECONDS: Final = 5.0
_WAITS: Final = 2
"""How many waits a whole request may take: one to connect, one to be answered."""
RENEW_AFTER: Final = 2 / 3
"""The part of a token's life after which it is renewed or replaced: renewal alone is capped by its `max_ttl`."""
RETRY_SECONDS: Final = 30.0
"""How long after a failed renewal the next one is tried, while the old token still works."""

Act = Callable[[hvac.Client], Any]
"""One request through an hvac client whose adapter returns the bare response."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Login:
    """A token and, on the monotonic clock, when to renew it and when it ends (None: never, as far as is known)."""

    token: SecretStr
    renew_at: float | None = None
    expires_at: float | None = None


class VaultSession:
    """A login at one Vault, shared by all threads; each thread has a client and connections of its own.

    With an AppRole it logs in at first use, again at two thirds of the token's life, and once more when a request is
    denied (the token may have been revoked); refused logins are spaced (`worker.vault.approle`). A given token is
    renewed when it can be. Nothing is taken from `VAULT_TOKEN` or `~/.vault-token` behind the caller's back, and no
    request is repeated on its own.

    Args:
        address: for instance `https://vault:8200`.
        clock: measures the token's life.
        token: used when there is no AppRole.
        role_id: of an AppRole.
        secret_id: of the same AppRole.
        secret_id_file: where the secret id is read anew at each login.
        namespace: of Vault Enterprise or OpenBao.
        cacert: a file with the authority of Vault's certificate.
        timeout: seconds for connecting and for each wait; a whole request with its answer may take twice that.

    Raises:
        VaultRefusedError: neither a token nor an AppRole was given.
    """

    def __init__(
        self,
        *,
        address: str,
        clock: Clock,
        token: SecretStr | None = None,
        role_id: SecretStr | None = None,
        secret_id: SecretStr | None = None,
        secret_id_file: Path | None = None,
        namespace: str | None = None,
        cacert: Path | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self.address = address.rstrip("/")
        approle = (
            AppRole(role_id, secret_id, secret_id_file=secret_id_file, clock=clock) if role_id and secret_id else None
        )
        if approle is None and token is None:
            raise VaultRefusedError(
                f"No login for Vault at {self.address}: set VAULT_ROLE_ID and VAULT_SECRET_ID, or VAULT_TOKEN."
            )
        self._approle = approle
        self._given = token
        self._clock = clock
        self._namespace = namespace
        self._cacert = cacert
        self._timeout = timeout
        self._login: _Login | None = None
        self._lock = threading.Lock()
        self._clients_lock = threading.Lock()
        self._local = threading.local()
        self._clients: list[hvac.Client] = []

    def call(self, act: str, request: Act) -> Answer:
        """Send one request and return Vault's answer, whatever its status but 403.

        Args:
            act: what it does, for messages: "could not <act>".
            request: sends it; called a second time only after a denial, when nothing was carried out.

        Raises:
            VaultForbiddenError: denied, after a fresh login if there can be one.
            NoAnswerError: it may have reached Vault, and no whole answer came back.
            VaultUnavailableError: it did not reach Vault, or logging in was impossible for now.
            VaultRefusedError: the login, the address or the certificate is not accepted.
        """
        login = self._current(act)
        answer = self._send(act, request, login.token)
        if answer.status == HTTPStatus.FORBIDDEN and self._approle:
            answer = self._send(act, request, self._replaced(login, act).token)
        if answer.status == HTTPStatus.FORBIDDEN:
            raise refusal(answer, address=self.address, act=act)
        return answer

    def health(self) -> Answer:
        """Return Vault's health, asked for without a token (and without a namespace, in which it has none)."""

        def ask(client: hvac.Client) -> Any:
            session: requests.Session = client.adapter.session
            params = {"standbyok": "true", "perfstandbyok": "true"}
            # hvac would send the namespace. What it passes at each call is passed here, too.
            return session.get(
                f"{self.address}/v1/sys/health",
                params=params,
                timeout=self._timeout,
                verify=session.verify,
                allow_redirects=False,
            )

        return self._send("read its health", ask, None)

    def close(self) -> None:
        """Give up the token that was logged in for, and close every thread's connections."""
        with self._lock:
            login, self._login = self._login, None
        if login and self._approle:
            try:
                self._send("revoke our own token", lambda client: client.auth.token.revoke_self(), login.token)
            except RotatorError:
                log.debug("vault_token_left_to_expire", address=self.address)
        with self._clients_lock:
            clients, self._clients = self._clients, []
        for client in clients:
            client.adapter.close()
        self._local = threading.local()

    def _current(self, act: str) -> _Login:
        with self._lock:
            login = self._login
            if login is None:
                login = self._first_login(act)
            elif login.renew_at is not None and self._clock.monotonic() >= login.renew_at:
                login = self._renewed(login, act)
            self._login = login
            return login

    def _replaced(self, denied: _Login, act: str) -> _Login:
        with self._lock:
            if self._login is None or self._login.token == denied.token:  # no other thread was faster
                self._login = self._first_login(act)
            return self._login

    def _renewed(self, login: _Login, act: str) -> _Login:
        try:
            return self._first_login(act) if self._approle else self._prolonged(login, act)
        except (TransientError, PermanentError) as exc:
            now = self._clock.monotonic()
            if self._approle and (login.expires_at is None or now >= login.expires_at):
                raise
            log.warning("vault_login_not_renewed", address=self.address, error=str(exc))
            return replace(login, renew_at=now + RETRY_SECONDS)

    def _first_login(self, act: str) -> _Login:
        if self._approle:
            return self._approle_login(self._approle, f"log in with the AppRole to {act}")
        if self._given is None:
            raise VaultRefusedError(f"No login for Vault at {self.address}.")
        asked = f"look up our own token to {act}"
        answer = self._authenticate(asked, lambda client: client.auth.token.lookup_self(), self._given)
        # Denied means that the token may not look at itself, or is not valid: the request itself will tell.
        life = answer.data.get("ttl") if answer.data.get("renewable") is True else None
        return self._living(self._given, life)

    def _approle_login(self, approle: AppRole, act: str) -> _Login:
        secret_id = approle.secret_id_to_try()
        answer = self._authenticate(
            act,
            lambda client: client.auth.approle.login(
                approle.role_id.get_secret_value(), secret_id.get_secret_value(), use_token=False
            ),
            None,
        )
        try:
            login = self._login_from(answer, act)
        except PermanentError as exc:
            why = login_denied(address=self.address) if isinstance(exc, VaultForbiddenError) else str(exc)
        else:
            approle.accept()
            return login
        approle.refuse(secret_id, why)
        raise VaultRefusedError(why)

    def _prolonged(self, login: _Login, act: str) -> _Login:
        asked = f"renew our own token to {act}"
        answer = self._authenticate(asked, lambda client: client.auth.token.renew_self(), login.token)
        return self._login_from(answer, asked)

    def _authenticate(self, act: str, request: Act, token: SecretStr | None) -> Answer:
        try:
            return self._send(act, request, token)
        except NoAnswerError as exc:
            # Only the login was lost; what the caller wanted was not even sent.
            text = str(exc)
        raise VaultUnavailableError(text)

    def _login_from(self, answer: Answer, act: str) -> _Login:
        auth = answer.body.get("auth")
        token = auth.get("client_token") if isinstance(auth, dict) else None
        if answer.status != HTTPStatus.OK or not isinstance(auth, dict) or not isinstance(token, str):
            raise refusal(answer, address=self.address, act=act)
        return self._living(SecretStr(token), auth.get("lease_duration"))

    def _living(self, token: SecretStr, life: object) -> _Login:
        if not isinstance(life, int) or life <= 0:
            return _Login(token=token)
        now = self._clock.monotonic()
        return _Login(token=token, renew_at=now + max(1.0, life * RENEW_AFTER), expires_at=now + life)

    def _send(self, act: str, request: Act, token: SecretStr | None) -> Answer:
        client = self._client()
        # An empty string and not None, for which hvac would look into the environment and the home folder.
        client.token = token.get_secret_value() if token else ""
        try:
            with bounded(_WAITS * self._timeout):
                return read_answer(request(client))
        except requests.RequestException as exc:
            failure = transport_error(exc, address=self.address, act=act)
        # Raised out here, so that the library's exception (it holds the token) is not even its context.
        raise failure

    def _client(self) -> hvac.Client:
        client: hvac.Client | None = getattr(self._local, "client", None)
        if client is None:
            session = CarefulSession(authorities=authorities(self._cacert))
            client = hvac.Client(
                url=self.address,
                token="",
                session=session,
                verify=session.verify,
                timeout=self._timeout,  # type: ignore[arg-type] # the stubs want an int, requests takes a float
                namespace=self._namespace,
                allow_redirects=False,
                adapter=RawAdapter,
                ignore_exceptions=True,
            )
            self._local.client = client
            with self._clients_lock:
                self._clients.append(client)
        return client
