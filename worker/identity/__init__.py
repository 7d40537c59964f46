"""Where identity tokens come from."""
