"""Whom to trust and which way to go: the one place that decides it for the exchange, for Vault and for Sentry.

The environment decides nothing here: neither HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY nor SSL_CERT_FILE,
REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE are looked at, by no client. What they would say is said by settings.
"""

import ssl
from dataclasses import dataclass, field
from pathlib import Path

import certifi
from pydantic import SecretStr

from config.urls import is_loopback_url


def authorities(cacert: Path | None) -> str:
    """Return the PEM file of the authorities to trust: the given one, or else the public ones."""
    return str(cacert) if cacert else certifi.where()


@dataclass(frozen=True, slots=True)
class Outside:
    """How what lies outside of the own network is reached.

    Attributes:
        cacert: a file with the only authorities to trust; None for the public ones.
        proxy: an http or https URL, or None. Nothing on this machine is ever asked through it.
    """

    cacert: Path | None = None
    proxy: SecretStr | None = field(default=None, repr=False)

    def tls(self) -> ssl.SSLContext:
        """Return how servers are verified."""
        return ssl.create_default_context(cafile=authorities(self.cacert))

    def proxy_for(self, url: str) -> SecretStr | None:
        """Return the proxy to that URL: none for a loopback address."""
        return None if is_loopback_url(url) else self.proxy


NOTHING_SPECIAL = Outside()
