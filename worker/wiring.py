"""The one place where clients are built."""
