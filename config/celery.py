"""Celery's settings. Redis is the broker, nothing is stored as a result, and a message carries names only."""

from typing import Any

from config.schedule import beat_schedule
from config.schema import Settings

QUEUE = "rotator"
CONCURRENCY = 16


def celery_config(settings: Settings) -> dict[str, Any]:
    """Return the whole configuration of worker and beat. It holds the Redis password in the clear: never log it."""
    return {**_broker(settings), **_messages(), **_worker(), **_beat(settings)}


def _broker(settings: Settings) -> dict[str, Any]:
    return {
        "broker_url": settings.infrastructure.redis_url.get_secret_value(),
        "broker_connection_retry_on_startup": True,
        # For ever: a worker that gave up would have to be restarted by a person after a long outage.
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        # Of worker.broker's transport, which worker.app names. Without these a call to a Redis that hangs does not end.
        "broker_transport_options": {"socket_timeout": 5, "socket_connect_timeout": 3},
    }


def _messages() -> dict[str, Any]:
    return {
        "task_default_queue": QUEUE,
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        "result_expires": None,
        "task_send_sent_event": False,
        # Early: a task is only a wake-up. One that is lost is made up for by the next sweep, while one that is
        # delivered again runs beside itself.
        "task_acks_late": False,
        # Once, to get over a connection that Redis closed; a sweep that cannot be sent now is due again soon.
        "task_publish_retry_policy": {"max_retries": 1, "interval_start": 0.2, "interval_step": 0, "interval_max": 0.2},
        "timezone": "UTC",
        "enable_utc": True,
    }


def _worker() -> dict[str, Any]:
    return {
        # Threads: the work is waiting for the network; and no time limit can kill one between derive and stage.
        "worker_pool": "threads",
        "worker_concurrency": CONCURRENCY,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        # Who can write to Redis may wake the worker up, not shut it down. With it on, a restart of Redis also ends
        # the worker (as it does without the flags --without-gossip --without-mingle; see Procfile).
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


def _beat(settings: Settings) -> dict[str, Any]:
    return {
        "beat_schedule": beat_schedule(settings.schedule),
        # Any number of beats may run; the one that holds the lead sends.
        "beat_scheduler": "worker.beat:SteadyScheduler",
        "beat_enable_remote_control": False,
    }
