"""What went wrong with Redis, in the words of stores."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.stores._redis_package import exceptions

__all__ = ["is_read_only", "store_errors"]

# What passes: the server is gone, starts, or is a replica since a moment ago; a cluster is choosing another one.
_PASSING = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.ClusterError,
    exceptions.SlotNotCoveredError,
    exceptions.TryAgainError,
    exceptions.OutOfMemoryError,
    OSError,
)
# Those that redis-py has no class for. Redis 6 tells an error within a script as a part of another one's text.
_PASSING_CODES = re.compile(
    r"(?:^|[\s-])(LOADING|BUSY|UNKILLABLE|CLUSTERDOWN|MASTERDOWN|NOREPLICAS|MISCONF|OOM|READONLY|TRYAGAIN)\b"
)
_HINTS: dict[type[Exception], str] = {
    exceptions.AuthenticationError: "the URL takes a user and a password: redis://user:password@host",
    exceptions.NoPermissionError: "the store's keys begin with its prefix, and its scripts use EVALSHA, EVAL and INFO",
    exceptions.MovedError: "the server is a node of a cluster: give the store a redis.asyncio.RedisCluster client",
}


@contextmanager
def store_errors(name: str) -> Iterator[None]:
    """Raise what goes wrong in a block that asks Redis as errors of the store called *name*."""
    try:
        yield
    except (exceptions.RedisError, exceptions.RedisClusterException, OSError) as error:
        raise _store_error(name, error) from error


def _store_error(name: str, error: Exception) -> StoreError:
    text = f"{name}: {str(error) or type(error).__name__}"
    # Before what passes: redis-py takes a wrong password, and a wrong certificate, for a lost connection.
    for kind, hint in _HINTS.items():
        if isinstance(error, kind):
            return StoreError(f"{text} ({hint})")
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return StoreError(f"{text} (the option ssl_ca_certs names a file of trusted certificates)")
    if isinstance(error, _PASSING) or _PASSING_CODES.search(str(error)):
        return StoreUnavailableError(text)
    return StoreError(text)


def is_read_only(error: Exception) -> bool:
    """Tell whether a server takes no writes since it is a replica."""
    return isinstance(error, exceptions.ReadOnlyError) or "-READONLY" in str(error)
