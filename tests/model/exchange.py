"""One profile at the exchange: its token ids come from the seed, and services use tokens at times of their own."""

import base64
from dataclasses import replace
from datetime import timedelta
from random import Random

from pydantic import SecretStr

from tests.fakes.exchange import FakeExchange, IssuedToken
from tests.model.clocks import START, ModelClock
from worker.models import Profile


class ModelExchange(FakeExchange):
    """One profile's tokens.

    Args:
        profile: its number.
        clock: of the exchange.
        random: makes secrets.

    Attributes:
        born: when each token was issued, in true seconds.
    """

    def __init__(self, profile: int, clock: ModelClock, random: Random) -> None:
        super().__init__(clock)
        self.identity = Profile(
            partner_profile_id=profile, profile_id=profile, address=f"0x{profile:x}", subject=f"did:privy:{profile}"
        )
        self.born: dict[str, float] = {}
        self._random = random
        self._model_clock = clock

    def used(self, token_id: str, at: float) -> None:
        """Let a service have used a token then, if it works."""
        token = self._tokens.get(token_id)
        moment = START + timedelta(seconds=at + self._model_clock.offset)
        if token is not None and token.live and (token.last_used_at is None or token.last_used_at < moment):
            self._change(token_id, last_used_at=moment)

    def has(self, token_id: str) -> bool:
        return token_id in self._tokens

    def _issue(self, label: str | None, scopes: tuple[str, ...]) -> IssuedToken:
        made = super()._issue(label, scopes)
        del self._tokens[made.token_id]
        secret = SecretStr(base64.b64encode(self._random.randbytes(9)).decode())
        token = replace(made, token_id=f"p{self.identity.profile_id}-{len(self.born) + 1:03}", secret=secret)
        self._tokens[token.token_id] = token
        self.born[token.token_id] = self._model_clock.monotonic()
        return token
