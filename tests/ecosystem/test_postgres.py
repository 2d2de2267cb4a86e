"""PostgreSQL's libraries inside native tasks: asyncpg, psycopg 3 and SQLAlchemy.

What these tests interrupt is a query that never ends by itself: it waits for an advisory
lock that another connection holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, Channel
from tests.ecosystem import servers
from tests.ecosystem.conftest import Native
from yamanote import JoinError, JoinHandle, LocalSet, block_in_place, spawn
from yamanote.time import timeout as native_timeout

asyncpg = servers.package("asyncpg")
psycopg = servers.package("psycopg")
psycopg_pool = servers.package("psycopg_pool")
sa = servers.package("sqlalchemy")
orm = servers.package("sqlalchemy.orm")
sa_async = servers.package("sqlalchemy.ext.asyncio")

LOCK = 4711  # the key of the advisory lock
SOON = 0.05  # seconds; what is given so long never ends by itself


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Postgres]:
    with servers.postgres() as server:
        yield server


@contextlib.asynccontextmanager
async def connect(server: servers.Postgres) -> AsyncIterator[Any]:
    """A connection of asyncpg."""
    connection = await asyncpg.connect(server.url, statement_cache_size=100)
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def holding_lock(server: servers.Postgres) -> AsyncIterator[Any]:
    """A connection of asyncpg that holds the lock."""
    async with connect(server) as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        yield connection


async def until_blocked(holder: Any, pid: int) -> None:
    """Return when the server process `pid` waits for the lock."""
    query = "SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted"
    while not await holder.fetchval(query, pid):
        pass


def on_every_worker(body: Callable[[int], Coroutine[Any, Any, Any]]) -> list[JoinHandle[Any]]:
    """Spawn `body` four times, on each of four workers once."""
    barrier = threading.Barrier(4)

    async def task(number: int) -> Any:
        barrier.wait(LIMIT)  # it blocks the worker, so the other tasks are on others
        return await body(number)

    return [spawn(task(number)) for number in range(4)]


def spawn_elsewhere(coro: Coroutine[Any, Any, Any]) -> JoinHandle[Any]:
    """Spawn a task, and return when it runs on another worker."""
    started = threading.Event()

    async def task() -> Any:
        started.set()
        return await coro

    handle = spawn(task())
    assert started.wait(LIMIT)  # it blocks this worker
    return handle


async def failure_of(handle: JoinHandle[Any]) -> BaseException | None:
    """What escaped the task; None if nothing did."""
    try:
        await handle
    except JoinError as error:
        return error.__cause__
    return None


def assert_wrong_loop(error: BaseException | None) -> None:
    assert isinstance(error, RuntimeError)
    assert re.search(
        "on another thread|to another event loop|to a different event loop", str(error)
    )


# asyncpg


def test_asyncpg_queries(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with connect(server) as connection:
            rows = await connection.fetch(
                "SELECT n, n * n AS square FROM generate_series(1, 500) n"
            )
            assert [tuple(row) for row in rows] == [(n, n * n) for n in range(1, 501)]
            assert await connection.fetchval("SELECT $1::text || $2", "東京", "山手") == "東京山手"
            assert await connection.fetchval("SELECT $1::int[]", [1, None, 3]) == [1, None, 3]
            assert await connection.fetchval("SELECT $1::bytea", bytes(1 << 20)) == bytes(1 << 20)
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.fetchval("SELECT 1 / 0")
            assert await connection.fetchval("SELECT 1") == 1

    spawned(main())


def test_asyncpg_over_unix_socket(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        connection = await asyncpg.connect(
            host=server.sockets, port=server.port, user="postgres", database="postgres"
        )
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()

    spawned(main())


def test_asyncpg_transactions(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with connect(server) as connection:
            await connection.execute("CREATE TEMP TABLE t (n int PRIMARY KEY)")
            async with connection.transaction():
                await connection.execute("INSERT INTO t VALUES (1)")
            with pytest.raises(ZeroDivisionError):
                async with connection.transaction():
                    await connection.execute("INSERT INTO t VALUES (2)")
                    raise ZeroDivisionError
            async with connection.transaction(isolation="serializable"):
                with pytest.raises(asyncpg.UniqueViolationError):
                    async with connection.transaction():  # a savepoint
                        await connection.execute("INSERT INTO t VALUES (1)")
                await connection.executemany("INSERT INTO t VALUES ($1)", [(3,), (4,)])
            assert await connection.fetchval("SELECT array_agg(n ORDER BY n) FROM t") == [1, 3, 4]

    spawned(main())


def test_asyncpg_prepared_statement_and_cursor(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with connect(server) as connection:
            statement = await connection.prepare("SELECT $1::int + n FROM generate_series(1, $2) n")
            assert [t.name for t in statement.get_parameters()] == ["int4", "int4"]
            assert [await statement.fetchval(n, 1) for n in range(50)] == list(range(1, 51))
            async with connection.transaction():
                rows = [row[0] async for row in statement.cursor(10, 300, prefetch=7)]
                assert rows == list(range(11, 311))
                cursor = await statement.cursor(0, 10)
                assert await cursor.forward(8) == 8
                assert [row[0] for row in await cursor.fetch(5)] == [9, 10]

    spawned(main())


def test_asyncpg_copy(spawned: Native, server: servers.Postgres) -> None:
    async def lines() -> AsyncIterator[bytes]:
        for n in range(1000, 2000):
            await yamanote.yield_now()
            yield b"%d\tx\n" % n

    async def main() -> None:
        async with connect(server) as connection:
            await connection.execute("CREATE TEMP TABLE t (n int, s text)")
            records = [(n, str(n)) for n in range(1000)]
            assert await connection.copy_records_to_table("t", records=records) == "COPY 1000"
            assert await connection.copy_to_table("t", source=lines()) == "COPY 1000"
            assert await connection.fetchval("SELECT sum(n) FROM t") == sum(range(2000))
            out = io.BytesIO()
            await connection.copy_from_query("SELECT n FROM t ORDER BY n", output=out)
            assert out.getvalue().split() == [b"%d" % n for n in range(2000)]

    spawned(main())


def test_asyncpg_listen_notify(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        channel: Channel[str] = Channel()
        async with connect(server) as listener, connect(server) as sender:

            def hear(connection: Any, pid: int, name: str, payload: str) -> None:
                assert (pid, name) == (sender.get_server_pid(), "news")
                channel.send(payload)

            await listener.add_listener("news", hear)
            for n in range(20):
                await sender.execute(f"NOTIFY news, '{n}'")
            assert [await channel.recv() for _ in range(20)] == [str(n) for n in range(20)]
            await listener.remove_listener("news", hear)

    spawned(main())


def test_asyncpg_abort(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with holding_lock(server) as holder:
            pids: Channel[int] = Channel()

            async def victim() -> None:
                async with connect(server) as connection:
                    pids.send(connection.get_server_pid())
                    try:
                        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
                    except asyncio.CancelledError:
                        assert await connection.fetchval("SELECT 42") == 42
                        raise

            handle = spawn(victim())
            await until_blocked(holder, await pids.recv())
            handle.abort()
            with pytest.raises(JoinError) as caught:
                await handle
            assert caught.value.is_cancelled()

    spawned(main())


def test_asyncpg_abort_of_local_task(spawned: Native, server: servers.Postgres) -> None:
    """The connection outlives the task that was aborted in a query on it."""

    async def main() -> None:
        async with holding_lock(server) as holder, connect(server) as connection:
            local = LocalSet()
            query = connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            handle = local.spawn_local(query)
            await local.run_until(until_blocked(holder, connection.get_server_pid()))
            handle.abort()
            with pytest.raises(JoinError) as caught:
                await local.run_until(handle)
            assert caught.value.is_cancelled()
            assert await connection.fetchval("SELECT 42") == 42

    spawned(main())


def test_asyncpg_cancel_of_asyncio_task(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with holding_lock(server) as holder, connect(server) as connection:
            query = connection.execute("SELECT pg_advisory_lock($1)", LOCK)
            task = asyncio.create_task(query)
            await until_blocked(holder, connection.get_server_pid())
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await connection.fetchval("SELECT 42") == 42

    spawned(main())


def test_asyncpg_timeout_inside_query(spawned: Native, server: servers.Postgres) -> None:
    """The deadline is brought forward when the query waits for sure."""

    async def main() -> None:
        async with holding_lock(server) as holder, connect(server) as connection:
            limit = asyncio.timeout(None)

            async def query() -> None:
                with pytest.raises(TimeoutError):
                    async with limit:
                        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
                assert await connection.fetchval("SELECT 42") == 42

            async with asyncio.TaskGroup() as group:
                group.create_task(query())
                await until_blocked(holder, connection.get_server_pid())
                limit.reschedule(0)

    spawned(main())


async def with_asyncio_timeout(query: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async with asyncio.timeout(SOON):
        await query()


async def with_native_timeout(query: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async with native_timeout(SOON):
        await query()


async def with_wait_for(query: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    await asyncio.wait_for(query(), SOON)


TIMEOUTS = pytest.mark.parametrize(
    "limited", [with_asyncio_timeout, with_native_timeout, with_wait_for]
)


@TIMEOUTS
def test_asyncpg_timeouts(spawned: Native, server: servers.Postgres, limited: Any) -> None:
    async def main() -> None:
        async with holding_lock(server), connect(server) as connection:
            for n in range(3):
                with pytest.raises(TimeoutError):
                    await limited(lambda: connection.execute(f"SELECT pg_advisory_lock({LOCK})"))
                assert await connection.fetchval("SELECT $1::int", n) == n
            with pytest.raises(TimeoutError):  # asyncpg's own
                await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=SOON)
            assert await connection.fetchval("SELECT 42") == 42

    spawned(main())


def test_asyncpg_pool(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with asyncpg.create_pool(server.url, min_size=2, max_size=5) as pool:
            await pool.execute("DROP TABLE IF EXISTS visits; CREATE TABLE visits (n int)")

            async def visit(n: int) -> int:
                async with pool.acquire() as connection, connection.transaction():
                    await connection.execute("INSERT INTO visits VALUES ($1)", n)
                    return await connection.fetchval("SELECT $1::int * 2", n)

            tasks = [asyncio.create_task(visit(n)) for n in range(100)]
            assert [await task for task in tasks] == [2 * n for n in range(100)]
            async with asyncio.TaskGroup() as group:
                more = [group.create_task(visit(n)) for n in range(100, 200)]
            assert [task.result() for task in more] == [2 * n for n in range(100, 200)]
            counted = await pool.fetchrow("SELECT count(*), count(DISTINCT n) FROM visits")
            assert tuple(counted) == (200, 200)
            assert pool.get_size() <= 5

    spawned(main())


def test_asyncpg_pool_of_a_local_set(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        local = LocalSet()

        async def inside() -> None:
            async with asyncpg.create_pool(server.url, min_size=0, max_size=3) as pool:
                handles = [
                    yamanote.spawn_local(pool.fetchval("SELECT $1::int", n)) for n in range(30)
                ]
                assert [await handle for handle in handles] == list(range(30))

        await local.run_until(inside())

    spawned(main())


def test_asyncpg_pool_after_aborts(spawned: Native, server: servers.Postgres) -> None:
    """Whether in a query or still waiting for a connection, who is aborted leaves none lost."""

    async def main() -> None:
        async with (
            holding_lock(server) as holder,
            asyncpg.create_pool(server.url, min_size=1, max_size=2) as pool,
        ):
            local = LocalSet()
            handles = [
                local.spawn_local(pool.execute("SELECT pg_advisory_lock($1)", LOCK))
                for _ in range(6)
            ]

            async def until_two_are_blocked() -> None:
                query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                while await holder.fetchval(query) < 2:
                    pass

            await local.run_until(until_two_are_blocked())
            for handle in handles:
                handle.abort()
            for handle in handles:
                with pytest.raises(JoinError) as caught:
                    await local.run_until(handle)
                assert caught.value.is_cancelled()
            async with pool.acquire() as one, pool.acquire() as other:
                assert [await c.fetchval("SELECT 42") for c in (one, other)] == [42, 42]

    spawned(main())


def test_asyncpg_connection_for_each_spawned_task(server: servers.Postgres) -> None:
    async def body(number: int) -> int:
        async with connect(server) as connection:
            await connection.execute("CREATE TEMP TABLE t (n int)")
            for n in range(20):
                await connection.execute("INSERT INTO t VALUES ($1)", number * n)
            return await connection.fetchval("SELECT sum(n) FROM t")

    async def main() -> None:
        assert [await h for h in on_every_worker(body)] == [190 * n for n in range(4)]

    yamanote.run(main(), worker_threads=4)


def test_asyncpg_pool_across_workers(server: servers.Postgres) -> None:
    async def main() -> None:
        # Without connections: one that asyncpg fails to hand out stays marked as in use.
        async with asyncpg.create_pool(server.url, min_size=0, max_size=4) as pool:
            here = threading.get_ident()

            async def body(number: int) -> int:
                if threading.get_ident() == here:
                    return 0
                return await pool.fetchval("SELECT 42")

            failures = [await failure_of(handle) for handle in on_every_worker(body)]
            assert failures.count(None) == 1
            for failure in failures:
                if failure is not None:
                    assert_wrong_loop(failure)
            assert await pool.fetchval("SELECT 42") == 42

    yamanote.run(main(), worker_threads=4)


def test_asyncpg_connected_pool_across_workers(server: servers.Postgres) -> None:
    async def main() -> None:
        async with asyncpg.create_pool(server.url, min_size=1, max_size=1) as pool:
            assert_wrong_loop(await failure_of(spawn_elsewhere(pool.fetchval("SELECT 42"))))

    yamanote.run(main(), worker_threads=4)


def test_asyncpg_connection_across_workers(server: servers.Postgres) -> None:
    async def main() -> None:
        async with connect(server) as connection:
            query = connection.fetchval("SELECT 42")
            assert_wrong_loop(await failure_of(spawn_elsewhere(query)))
            assert await connection.fetchval("SELECT 42") == 42

    yamanote.run(main(), worker_threads=4)


def test_asyncpg_while_blocked_in_place(workers: int, server: servers.Postgres) -> None:
    """The connection goes on, driven by another thread, and comes back."""

    async def main() -> None:
        async with connect(server) as connection:
            for n in range(5):
                answered = threading.Event()

                async def ask(n: int = n, answered: threading.Event = answered) -> int:
                    try:
                        return await connection.fetchval("SELECT $1::int", n)
                    finally:
                        answered.set()

                task = asyncio.create_task(ask())
                assert block_in_place(answered.wait, LIMIT)
                assert await task == n
                assert await connection.fetchval("SELECT 42") == 42

    yamanote.run(main(), worker_threads=workers)


# psycopg 3


def test_psycopg_queries(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as connection:
            cursor = await connection.execute("SELECT n FROM generate_series(1, %s) n", [500])
            assert await cursor.fetchall() == [(n,) for n in range(1, 501)]
            for n in range(10):
                cursor = await connection.execute("SELECT %s::int", [n], prepare=True)
                assert await cursor.fetchone() == (n,)
            with pytest.raises(psycopg.errors.DivisionByZero):
                await connection.execute("SELECT 1 / 0")
            async with connection.pipeline():
                cursors = [await connection.execute("SELECT %s::int", [n]) for n in range(50)]
                assert [await c.fetchone() for c in cursors] == [(n,) for n in range(50)]

    spawned(main())


def test_psycopg_transactions(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(server.url) as connection:
            await connection.execute("CREATE TEMP TABLE t (n int PRIMARY KEY)")
            await connection.commit()
            await connection.execute("INSERT INTO t VALUES (1)")
            await connection.rollback()
            async with connection.transaction():
                await connection.execute("INSERT INTO t VALUES (2)")
                with pytest.raises(psycopg.errors.UniqueViolation):
                    async with connection.transaction():  # a savepoint
                        await connection.execute("INSERT INTO t VALUES (2)")
            async with connection.cursor(name="server_side") as cursor:
                await cursor.execute("SELECT n FROM t")
                assert [row async for row in cursor] == [(2,)]

    spawned(main())


def test_psycopg_copy(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with await psycopg.AsyncConnection.connect(server.url) as connection:
            cursor = connection.cursor()
            await cursor.execute("CREATE TEMP TABLE t (n int)")
            async with cursor.copy("COPY t FROM STDIN") as copy:
                for n in range(2000):
                    await copy.write_row([n])
            async with cursor.copy("COPY (SELECT n FROM t ORDER BY n) TO STDOUT") as copy:
                assert [row async for row in copy.rows()] == [(str(n),) for n in range(2000)]

    spawned(main())


def test_psycopg_listen_notify(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        listener = await psycopg.AsyncConnection.connect(server.url, autocommit=True)
        sender = await psycopg.AsyncConnection.connect(server.url, autocommit=True)
        async with listener, sender:
            await listener.execute("LISTEN news")

            async def hear() -> list[str]:
                return [notify.payload async for notify in listener.notifies(stop_after=20)]

            heard = asyncio.create_task(hear())
            for n in range(20):
                await sender.execute(f"NOTIFY news, '{n}'")
            # At least: it stops between two packets of the server.
            assert (await heard)[:20] == [str(n) for n in range(20)]

    spawned(main())


def test_psycopg_abort(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with holding_lock(server) as holder:
            pids: Channel[int] = Channel()

            async def victim() -> None:
                connecting = psycopg.AsyncConnection.connect(server.url, autocommit=True)
                async with await connecting as connection:
                    pids.send(connection.info.backend_pid)
                    try:
                        await connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
                    except asyncio.CancelledError:
                        cursor = await connection.execute("SELECT 42")
                        assert await cursor.fetchone() == (42,)
                        raise

            handle = spawn(victim())
            await until_blocked(holder, await pids.recv())
            handle.abort()
            with pytest.raises(JoinError) as caught:
                await handle
            assert caught.value.is_cancelled()

    spawned(main())


@TIMEOUTS
def test_psycopg_timeouts(spawned: Native, server: servers.Postgres, limited: Any) -> None:
    async def main() -> None:
        connecting = psycopg.AsyncConnection.connect(server.url, autocommit=True)
        async with holding_lock(server), await connecting as connection:
            for n in range(3):
                with pytest.raises(TimeoutError):
                    await limited(lambda: connection.execute(f"SELECT pg_advisory_lock({LOCK})"))
                cursor = await connection.execute("SELECT %s::int", [n])
                assert await cursor.fetchone() == (n,)

    spawned(main())


def test_psycopg_pool(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        pool = psycopg_pool.AsyncConnectionPool(server.url, min_size=1, max_size=5, open=False)
        async with pool:

            async def visit(n: int) -> int:
                async with pool.connection() as connection:
                    cursor = await connection.execute("SELECT %s::int * 2", [n])
                    return (await cursor.fetchone())[0]

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(visit(n)) for n in range(100)]
            assert [task.result() for task in tasks] == [2 * n for n in range(100)]

    spawned(main())


def test_psycopg_connection_for_each_spawned_task(server: servers.Postgres) -> None:
    async def body(number: int) -> int:
        async with await psycopg.AsyncConnection.connect(server.url) as connection:
            total = 0
            for n in range(20):
                cursor = await connection.execute("SELECT %s::int", [number * n])
                total += (await cursor.fetchone())[0]
            return total

    async def main() -> None:
        assert [await handle for handle in on_every_worker(body)] == [190 * n for n in range(4)]

    yamanote.run(main(), worker_threads=4)


# SQLAlchemy, which runs its synchronous half in greenlets, over asyncpg


class Base(orm.DeclarativeBase):
    pass


class Station(Base):
    __tablename__ = "stations"

    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    exits: orm.Mapped[list[Exit]] = orm.relationship(back_populates="station")


class Exit(Base):
    __tablename__ = "exits"

    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str]
    station_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("stations.id"))
    station: orm.Mapped[Station] = orm.relationship(back_populates="exits")


@contextlib.asynccontextmanager
async def engine_of(server: servers.Postgres, **options: Any) -> AsyncIterator[Any]:
    url = server.url.replace("postgresql://", "postgresql+asyncpg://")
    engine = sa_async.create_async_engine(url, **options)
    try:
        yield engine
    finally:
        await engine.dispose()


def test_sqlalchemy_orm(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with engine_of(server) as engine:
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.drop_all)
                await connection.run_sync(Base.metadata.create_all)
            session_of = sa_async.async_sessionmaker(engine, expire_on_commit=False)
            async with session_of.begin() as session:
                exits = [Exit(name=name) for name in ("west", "east")]
                session.add(Station(id=1, name="Ueno", exits=exits))
            with pytest.raises(sa.exc.IntegrityError):
                async with session_of.begin() as session:
                    session.add(Station(id=1, name="Ebisu"))
            async with session_of() as session:
                station = await session.get_one(Station, 1)
                # A lazy load needs the event loop in the midst of synchronous code.
                names = await session.run_sync(lambda _: [e.name for e in station.exits])
                assert (station.name, sorted(names)) == ("Ueno", ["east", "west"])
                query = sa.select(Exit).options(orm.joinedload(Exit.station))
                assert {e.station.name for e in await session.scalars(query)} == {"Ueno"}

    spawned(main())


def test_sqlalchemy_core(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with engine_of(server) as engine, engine.connect() as connection:
            numbers = sa.text("SELECT n FROM generate_series(1, 1000) n")
            rows = await connection.stream(numbers)
            assert [n async for n in rows.scalars()] == list(range(1, 1001))
            with pytest.raises(sa.exc.DBAPIError, match="division by zero"):
                await connection.execute(sa.text("SELECT 1 / 0"))
            await connection.rollback()
            async with connection.begin(), connection.begin_nested():
                assert await connection.scalar(sa.text("SELECT 42")) == 42

    spawned(main())


def test_sqlalchemy_pool(spawned: Native, server: servers.Postgres) -> None:
    async def main() -> None:
        async with engine_of(server, pool_size=3, max_overflow=2) as engine:

            async def visit(n: int) -> int:
                async with engine.begin() as connection:
                    return await connection.scalar(sa.text("SELECT :n * 2"), {"n": n})

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(visit(n)) for n in range(100)]
            assert [task.result() for task in tasks] == [2 * n for n in range(100)]

    spawned(main())


def test_sqlalchemy_abort(spawned: Native, server: servers.Postgres) -> None:
    """A pool of one connection serves again after its query was aborted."""

    async def main() -> None:
        options = {"pool_size": 1, "max_overflow": 0}
        async with holding_lock(server) as holder, engine_of(server, **options) as engine:
            pids: Channel[int] = Channel()

            async def victim() -> None:
                async with engine.connect() as connection:
                    pids.send(await connection.scalar(sa.text("SELECT pg_backend_pid()")))
                    await connection.execute(sa.text(f"SELECT pg_advisory_lock({LOCK})"))

            local = LocalSet()
            handle = local.spawn_local(victim())

            async def until_victim_is_blocked() -> None:
                await until_blocked(holder, await pids.recv())

            await local.run_until(until_victim_is_blocked())
            handle.abort()
            with pytest.raises(JoinError) as caught:
                await local.run_until(handle)
            assert caught.value.is_cancelled()
            async with engine.connect() as connection:
                assert await connection.scalar(sa.text("SELECT 42")) == 42

    spawned(main())


@TIMEOUTS
def test_sqlalchemy_timeouts(spawned: Native, server: servers.Postgres, limited: Any) -> None:
    async def main() -> None:
        async with holding_lock(server), engine_of(server, pool_size=1, max_overflow=0) as engine:

            async def query() -> None:
                async with engine.connect() as connection:
                    await connection.execute(sa.text(f"SELECT pg_advisory_lock({LOCK})"))

            for _ in range(3):
                with pytest.raises(TimeoutError):
                    await limited(query)
                async with engine.connect() as connection:
                    assert await connection.scalar(sa.text("SELECT 42")) == 42

    spawned(main())


def test_sqlalchemy_engine_for_each_spawned_task(server: servers.Postgres) -> None:
    async def body(number: int) -> int:
        async with engine_of(server) as engine, engine.connect() as connection:
            query = sa.text("SELECT CAST(:n AS int)")
            return sum([await connection.scalar(query, {"n": number * n}) for n in range(20)])

    async def main() -> None:
        assert [await handle for handle in on_every_worker(body)] == [190 * n for n in range(4)]

    yamanote.run(main(), worker_threads=4)


def test_sqlalchemy_connection_across_workers(server: servers.Postgres) -> None:
    async def main() -> None:
        async with engine_of(server) as engine, engine.connect() as connection:
            query = connection.scalar(sa.text("SELECT 42"))
            assert_wrong_loop(await failure_of(spawn_elsewhere(query)))

    yamanote.run(main(), worker_threads=4)


def test_asyncpg_drained_pool_across_workers(server: servers.Postgres) -> None:
    """The first to wait for the pool's only connection is on another worker: neither it
    nor the one that gives the connection back hangs."""

    async def main() -> None:
        pool = asyncpg.create_pool(server.url, min_size=1, max_size=1)
        async with pool:
            parked = threading.Event()

            async def elsewhere() -> int:
                asyncio.get_running_loop().call_soon(parked.set)
                return await pool.fetchval("SELECT 42")

            connection = await pool.acquire()
            handle = spawn(elsewhere())
            assert parked.wait(LIMIT)  # it blocks this worker, so the task is on another
            with pytest.raises(RuntimeError, match="on another thread"):
                await pool.release(connection)
            assert_wrong_loop(await failure_of(handle))

    yamanote.run(main(), worker_threads=4)
