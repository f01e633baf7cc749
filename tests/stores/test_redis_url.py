"""How a store in Redis is told where it is."""

import pytest

from aioclock.exceptions import StoreError
from aioclock.stores import store_at
from aioclock.stores._redis import RedisStore
from aioclock.stores._redis_package import Redis, RedisCluster
from aioclock.stores._redis_url import location_at, location_of


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://", "redis://localhost:6379/0"),
        ("redis://example.com", "redis://example.com:6379/0"),
        ("rediss://user:secret@example.com:6380/3", "rediss://example.com:6380/3"),
        ("redis://:secret@example.com/", "redis://example.com:6379/0"),
        ("redis://[::1]:7000/1", "redis://[::1]:7000/1"),
        ("redis://host?socket_timeout=2&prefix=shop", "redis://host:6379/0?prefix={shop}"),
        ("redis://host?prefix={shop}:clock", "redis://host:6379/0?prefix={shop}:clock"),
        ("redis://host?prefix=%7Baioclock%7D", "redis://host:6379/0"),
    ],
)
def test_a_name_tells_where_it_is_but_no_secrets(url: str, name: str) -> None:
    assert store_at(url).name == name
    assert "secret" not in repr(location_at(url, None))
    assert store_at(name).name == name


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://host?prefx=shop", "unknown option 'prefx'.*did you mean 'prefix'"),
        ("redis://host?decode_responses=yes", "unknown option 'decode_responses'"),
        ("redis://host?password=secret", "unknown option 'password'"),
        ("redis://host:port", "port and database are numbers"),
        ("redis://host/database", "port and database are numbers"),
        ("redis+sentinel://host", "redis.asyncio"),
        ("redis://host?prefix=", "no prefix"),
        ("redis://host?prefix={}", "no prefix"),
        ("redis://host?prefix=}a{", "no prefix"),
    ],
)
def test_a_url_that_would_mislead_is_refused(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as caught:
        store_at(url.replace("//host", "//user:secret@host"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("option", ["socket_timeout=soon", "health_check_interval=never", "max_connections=-1"])
async def test_an_option_of_a_wrong_value_is_refused(option: str) -> None:
    with pytest.raises(StoreError, match="localhost"):
        await store_at(f"redis://user:secret@localhost?{option}").open()


def test_a_prefix_is_told_once() -> None:
    assert RedisStore("redis://host", prefix="shop").name == "redis://host:6379/0?prefix={shop}"
    with pytest.raises(StoreError, match="twice"):
        RedisStore("redis://host?prefix=shop", prefix="shop")


def test_options_reach_the_client() -> None:
    url = "redis://user:p%40ss@host:7000/3?socket_timeout=1.5&client_name=the+clock&prefix=shop"
    client = location_at(url, None).connect()
    assert isinstance(client, Redis)
    told = client.connection_pool.connection_kwargs
    expected = {"host": "host", "port": 7000, "db": 3, "username": "user", "password": "p@ss"}
    assert expected.items() <= told.items()
    assert (told["socket_timeout"], told["socket_connect_timeout"], told["client_name"]) == (1.5, 5, "the clock")


def test_the_clients_of_users_have_names() -> None:
    assert location_of(Redis(host="host", password="secret"), None).name == "redis://host:6379/0"
    assert (
        location_of(Redis(unix_socket_path="/run/redis.sock"), "a").name == "redis:///run/redis.sock:6379/0?prefix={a}"
    )
    assert location_of(RedisCluster(host="host"), "a").name == "redis cluster?prefix={a}"
