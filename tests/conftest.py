"""Fixtures that every test may use; the servers among them start when a test first asks for one."""

from hypothesis import settings

pytest_plugins = ["tests.fixtures.servers"]

# A busy machine makes an example slow, which says nothing about the code.
settings.register_profile("default", deadline=None)
settings.load_profile("default")
