"""What is used of redis-py: other modules import it from here, so that whoever lacks it is told how to get it."""

from typing import TypeAlias

try:
    from redis import exceptions
    from redis.asyncio import Redis, RedisCluster
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.client import NEVER_DECODE
except ImportError as error:
    message = "a store in Redis needs redis-py, which the extra aioclock[redis] brings"
    raise ImportError(message, name="redis") from error

__all__ = ["NEVER_DECODE", "Client", "NoBackoff", "Redis", "RedisCluster", "Retry", "exceptions"]

Client: TypeAlias = Redis | RedisCluster
