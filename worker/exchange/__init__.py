"""The shared API wrapper around the Limitless Exchange."""

from config.schema import Scope
from worker.exchange.auth import HmacAuth, IdentityAuth
from worker.exchange.client import ExchangeClient
from worker.exchange.signed import HmacClient
from worker.exchange.transport import Answer

__all__ = ["Answer", "ExchangeClient", "HmacAuth", "HmacClient", "IdentityAuth", "Scope"]
