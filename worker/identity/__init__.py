"""Where identity tokens come from."""

from worker.identity.jwt import subject
from worker.identity.sources import FileIdentity, StaticIdentity
from worker.ports import IdentitySource

__all__ = ["FileIdentity", "IdentitySource", "StaticIdentity", "subject"]
