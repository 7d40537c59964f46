"""Lease and event stream in Redis; correctness never rests on them."""

from worker.redis.connection import connect
from worker.redis.events import STREAM, RedisEvents
from worker.redis.lease import RedisLeases

__all__ = ["STREAM", "RedisEvents", "RedisLeases", "connect"]
