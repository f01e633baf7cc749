"""What a Redis server must be like, and what is said of one that is not."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aioclock.exceptions import StoreError, StoreUnavailableError
from aioclock.stores._redis import RedisStore
from aioclock.stores._redis_package import Redis, RedisCluster
from processes import wait_until
from redis_server import RedisServer, needs_redis

pytestmark = needs_redis


@pytest.fixture
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """Start a server with the options that the test is given."""
    options: dict[str, str] = getattr(request, "param", {})
    with RedisServer(tmp_path, **options) as server:
        yield server


def with_options(**options: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "server", [{name.replace("_", "-"): to for name, to in options.items()}], indirect=True
    )


async def opens(store: RedisStore) -> None:
    await store.open()
    await store.close()


async def refusal(store: RedisStore) -> str:
    with pytest.raises(StoreError) as caught:
        await opens(store)
    assert not isinstance(caught.value, StoreUnavailableError)
    return str(caught.value)


@with_options(maxmemory="100mb", maxmemory_policy="allkeys-lru")
async def test_a_server_that_drops_keys_is_refused(server: RedisServer) -> None:
    store = RedisStore(server.url)
    assert "maxmemory-policy to noeviction" in await refusal(store)
    assert any("maxmemory-policy" in fault for fault in await store.check())


@with_options(maxmemory_policy="allkeys-lru")
async def test_a_policy_without_a_limit_drops_nothing(server: RedisServer) -> None:
    await opens(RedisStore(server.url))


@with_options(appendonly="no")
async def test_a_server_that_keeps_nothing_is_warned_of(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    store = RedisStore(server.url)
    await opens(store)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "all is lost when it stops" in record.getMessage()
    assert any("all is lost" in fault for fault in await store.check())


@with_options(appendonly="no", save="3600 1")
async def test_snapshots_are_better_than_nothing(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    await opens(RedisStore(server.url))
    assert caplog.records == []


@with_options(appendonly="no", rename_command='CONFIG ""')
async def test_who_can_not_know_says_so(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await opens(RedisStore(server.url))
    [record] = caplog.records
    assert record.levelno == logging.INFO
    assert "can't tell" in record.getMessage()


async def test_a_user_needs_few_rights(server: RedisServer) -> None:
    server.ask("ACL SETUSER clock on >secret ~{shop}* +@all -@admin -@dangerous -keys")
    await opens(RedisStore(server.url.replace("//", "//clock:secret@") + "?prefix=shop"))
    refused = await refusal(RedisStore(server.url.replace("//", "//clock:secret@")))
    assert "prefix" in refused


async def test_a_replica_is_refused(server: RedisServer, tmp_path: Path) -> None:
    folder = tmp_path / "replica"
    folder.mkdir()
    with RedisServer(folder, replicaof=f"127.0.0.1 {server.port}") as replica:
        assert f"its master is 127.0.0.1:{server.port}" in await refusal(RedisStore(replica.url))


@with_options(requirepass="sesame")
@pytest.mark.parametrize("login", ["", "open:closed@", ":closed@"])
async def test_who_may_not_enter_is_told_so_without_secrets(server: RedisServer, login: str) -> None:
    store = RedisStore(server.url.replace("//", f"//{login}"))
    text = store.name + await refusal(store)
    assert "closed" not in text
    assert "user:password@host" in text


@with_options(requirepass="sesame")
async def test_the_password_is_told_to_the_server_alone(server: RedisServer) -> None:
    store = RedisStore(server.url.replace("//", "//default:sesame@"))
    await opens(store)
    assert "sesame" not in store.name + repr(vars(store))


async def test_nobody_listening_is_told_apart() -> None:
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1"):
        await RedisStore("redis://127.0.0.1:1").open()


async def test_a_store_that_is_not_open_says_so() -> None:
    with pytest.raises(StoreError, match="not open"):
        await RedisStore("redis://127.0.0.1:1").tasks()


@pytest.mark.parametrize(("version", "hint"), [("0", "aioclock store upgrade"), ("2", "newer aioclock")])
async def test_what_another_version_has_kept_is_refused(server: RedisServer, version: str, hint: str) -> None:
    await opens(RedisStore(server.url))
    server.ask(f"SET {{aioclock}}:schema {version}")
    store = RedisStore(server.url)
    assert hint in await refusal(store)
    assert any("version" in fault for fault in await store.check())


async def test_an_upgrade_tells_the_versions_that_it_went_through(server: RedisServer) -> None:
    store = RedisStore(server.url)
    assert await store.upgrade() == [1]
    assert await store.upgrade() == []
    server.ask("SET {aioclock}:schema 2")
    with pytest.raises(StoreError, match="newer aioclock"):
        await store.upgrade()


async def test_the_clients_of_users_stay_theirs(server: RedisServer) -> None:
    client = Redis.from_url(server.url, decode_responses=True)
    store = RedisStore(client, prefix="shop")
    await opens(store)
    await opens(store)
    assert store.name == f"redis://127.0.0.1:{server.port}/0?prefix={{shop}}"
    assert await client.ping()
    await client.aclose()


@with_options(cluster_enabled="yes", cluster_require_full_coverage="no")
async def test_a_cluster_will_do(server: RedisServer) -> None:
    for first in range(0, 16384, 4096):
        assert server.ask(f"CLUSTER ADDSLOTS {' '.join(map(str, range(first, first + 4096)))}") == "+OK\r\n"
    wait_until(lambda: "cluster_state:ok" in server.ask("CLUSTER INFO"))
    client = RedisCluster.from_url(server.url)
    store = RedisStore(client)
    await store.open()
    assert await store.check() == []
    await store.close()
    await client.aclose()
    # Whoever takes a node for a server of its own.
    await opens(RedisStore(server.url))


def test_whoever_lacks_the_package_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("aioclock.stores._redis")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "redis", None)
    from aioclock.stores import store_at

    with pytest.raises(ImportError, match=r"aioclock\[redis\]") as caught:
        store_at("redis://localhost")
    assert caught.value.name == "redis"
