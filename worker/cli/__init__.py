"""The `rotator` command line."""
