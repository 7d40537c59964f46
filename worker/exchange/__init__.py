"""The shared API wrapper around the Limitless Exchange."""
