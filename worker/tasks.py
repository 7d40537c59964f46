"""The Celery tasks: wake-ups that carry names only."""
