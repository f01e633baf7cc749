"""Which errors of Redis may pass, and which will not."""

import pytest

from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.stores._redis_errors import store_errors
from aioclock.stores._redis_package import exceptions

PASSING = [
    exceptions.ConnectionError("Error 111 connecting to localhost:6379."),
    exceptions.ConnectionError("max number of clients reached"),
    exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
    exceptions.TimeoutError("Timeout reading from localhost:6379"),
    exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    exceptions.ClusterDownError("The cluster is down"),
    exceptions.MasterDownError("Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
    exceptions.SlotNotCoveredError("Slot '7' not covered by the cluster."),
    exceptions.TryAgainError("Multiple keys request during rehashing of slot"),
    exceptions.ReadOnlyError("You can't write against a read only replica."),
    exceptions.ResponseError("BUSY Redis is busy running a script."),
    exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."),
    exceptions.ResponseError("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to"),
    exceptions.ResponseError("Error running script (call to f_1): @user_script:65: -OOM command not allowed when"),
    OSError("the network is down"),
]
LASTING = [
    (exceptions.AuthenticationError("invalid username-password pair"), "user:password@host"),
    (exceptions.NoPermissionError("this user has no permissions to run the 'evalsha' command"), "EVALSHA"),
    (exceptions.MovedError("7 10.0.0.1:6379"), "RedisCluster"),
    (exceptions.ConnectionError("Error 1: [SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), "ssl_ca_certs"),
    (exceptions.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"), "WRONGTYPE"),
    (exceptions.ResponseError("DB index is out of range"), "DB index"),
    (exceptions.RedisClusterException("no node is there"), "no node"),
    (exceptions.DataError(), "DataError"),
]


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_what_passes_is_worth_another_try(error: Exception) -> None:
    with pytest.raises(StoreUnavailableError, match=r"^the store: ") as caught, store_errors("the store"):
        raise error
    assert str(error) in str(caught.value)


@pytest.mark.parametrize(("error", "hint"), LASTING)
def test_what_lasts_is_told_with_a_hint(error: Exception, hint: str) -> None:
    with pytest.raises(StoreError, match=r"^the store: ") as caught, store_errors("the store"):
        raise error
    assert not isinstance(caught.value, StoreUnavailableError)
    assert hint in str(caught.value)


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), store_errors("the store"):
        raise ZeroDivisionError
