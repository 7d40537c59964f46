"""Settings, Celery configuration, schedule, logging and Sentry. Imports nothing from the worker."""
