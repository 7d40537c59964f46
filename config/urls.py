"""Which URLs may be used, judged without ever quoting one: a URL may hold a password."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from config.tables import Place


def check_url(url: str, place: Place, *, plain_anywhere: bool = False) -> str | None:
    """Return the URL without a trailing slash when it may be used, else None with the mistake added to the place.

    Args:
        url: what the person wrote.
        place: where.
        plain_anywhere: whether http without TLS is accepted beyond this machine.
    """
    example = "Write it like https://host or https://host:port"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        place.add("is not a URL", example)
        return None
    problem = None
    if parts.scheme not in {"http", "https"} or not host or port == 0 or any(c.isspace() or c == "\\" for c in url):
        problem = ("is not an http(s) URL", example)
    elif parts.username is not None or parts.password is not None:
        problem = ("holds a user name or password", "Credentials do not belong in a URL; " + example.lower())
    elif parts.query or parts.fragment or url.endswith(("?", "#")):
        problem = ("has a query or fragment", example)
    elif parts.scheme == "http" and not plain_anywhere and not _is_loopback(host):
        problem = ("would send secrets without TLS", "Use https; http is for this machine (127.0.0.1, localhost) alone")
    if problem:
        place.add(*problem)
        return None
    return url.rstrip("/")


def check_redis_url(url: str, place: Place) -> bool:
    """Return whether the URL names a Redis server, else False with the mistake added to the place."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        place.add("is not a redis:// or rediss:// URL", "Write it like rediss://:password@host:6379/0")
    return usable


def check_proxy_url(url: str, place: Place) -> bool:
    """Return whether the URL names an http proxy, else False with the mistake added to the place.

    A proxy that is spoken to over TLS itself is not supported: inside its tunnel nothing would check that what is sent
    goes through the inner TLS.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
        usable = usable and parts.path in {"", "/"} and not parts.query and not parts.fragment
    except ValueError:
        usable = False
    if not usable:
        place.add("is not the URL of an http proxy", "Write it like http://user:password@proxy:3128")
    return usable


def is_loopback_url(url: str) -> bool:
    """Return whether the URL names this machine."""
    return _is_loopback(urlsplit(url).hostname or "")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
