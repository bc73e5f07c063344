"""Steps of the schema: what they end in, and that programs of the version before go on (P7)."""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, select

from shared.errors import NewerDataError
from sync_server.storage import migrations, schema
from sync_server.storage.connections import make_engine, parse_url

ON_EACH_DATABASE = True

STEPS = [f"{number:04}" for number in range(1, int(migrations.newest()) + 1)]
NewEngine = Callable[[str], Engine]


@pytest.fixture
def new_engine(new_url, request) -> Iterator[NewEngine]:
    """Of an empty database."""
    made: list[Engine] = []
    on_postgresql = new_url("any").startswith("postgresql")

    def make(name: str) -> Engine:
        url = new_url(name)
        if on_postgresql:
            url = request.getfixturevalue("postgres_cluster").new_database()
        made.append(make_engine(parse_url(url), writes=True))
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


def differences(engine: Engine) -> list[object]:
    """Between the database and schema.py."""
    with engine.connect() as conn:
        context = MigrationContext.configure(
            conn, opts={"version_table": migrations.VERSION_TABLE, "compare_type": True}
        )
        return list(compare_metadata(context, schema.metadata))


def test_the_steps_are_one_line_without_a_gap():
    script = ScriptDirectory(str(migrations.FOLDER))
    found = [step.revision for step in script.walk_revisions()]
    assert found[::-1] == STEPS


def test_all_steps_together_make_what_schema_py_says(new_engine):
    stepwise, at_once = new_engine("stepwise"), new_engine("at_once")
    with stepwise.begin() as conn:
        migrations.upgrade(conn, None)
    migrations.migrate(at_once, "new")
    assert differences(stepwise) == []
    assert differences(at_once) == []
    assert shapes(stepwise) == shapes(at_once)
    supports = [support(engine) for engine in (stepwise, at_once)]
    assert supports == [migrations.OLDEST_SUPPORTED] * 2


def shapes(engine: Engine) -> dict[str, Any]:
    """Of each table what must not be missed: columns, keys and uniqueness, indexes."""
    found = inspect(engine)
    keys, unique = found.get_multi_pk_constraint(), found.get_multi_unique_constraints()
    indexes = found.get_multi_indexes()
    return {
        table[1] or "": (
            {item["name"]: (str(item["type"]), item["nullable"], item["default"]) for item in rows},
            (
                keys[table]["constrained_columns"],
                sorted(tuple(item["column_names"]) for item in unique[table]),
            ),
            sorted((str(item["name"]), tuple(item["column_names"])) for item in indexes[table]),
        )
        for table, rows in found.get_multi_columns().items()
    }


def support(engine: Engine) -> str:
    with engine.connect() as conn:
        return conn.execute(select(schema.schema_support.c.oldest)).scalar_one()


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_step_only_adds_or_says_which_programs_are_too_old(new_engine, step):
    """What the version before inserts and reads is still possible after an expanding step."""
    engine = new_engine("stepwise")
    before = f"{int(step) - 1:04}"
    with engine.begin() as conn:
        migrations.upgrade(conn, None, before)
    old = shapes(engine)
    with engine.begin() as conn:
        migrations.upgrade(conn, None, step)
    if support(engine) == step:
        return  # a contract step, which programs of the step before refuse
    new = shapes(engine)
    for table, was in old.items():
        now = new[table]
        assert set(was[0].items()) <= set(now[0].items()), f"{table}: a column changed or went"
        assert was[1] == now[1], f"{table}: a key or a uniqueness changed"
        for column in now[0].keys() - was[0].keys():
            _, nullable, default = now[0][column]
            assert nullable or default is not None, f"{table}.{column}: old inserts would fail"


def test_a_database_of_the_first_schema_is_carried_over_with_its_rows(new_engine):
    engine = new_engine("old")
    with engine.begin() as conn:
        migrations.upgrade(conn, None, "0001")
        conn.execute(schema.counters.insert().values(scope="test", name="kept", value=7))
        if conn.dialect.name == "sqlite":  # as programs of 0001 left it: no table of versions
            conn.exec_driver_sql(f"DROP TABLE {migrations.VERSION_TABLE}")
            conn.exec_driver_sql("PRAGMA user_version = 1")
    migrations.migrate(engine, "old")
    migrations.migrate(engine, "old")
    assert differences(engine) == []
    with engine.connect() as conn:
        assert conn.execute(select(schema.counters)).all() == [("test", "kept", 7)]


def test_p7_a_step_that_fails_leaves_the_database_as_it_was(new_engine, monkeypatch):
    engine = new_engine("old")
    with engine.begin() as conn:
        migrations.upgrade(conn, None, "0001")
    before = set(inspect(engine).get_table_names())
    real = migrations.upgrade

    def half(conn, before, to="head"):
        real(conn, before, to)
        raise RuntimeError("power cut")

    monkeypatch.setattr(migrations, "upgrade", half)
    with pytest.raises(RuntimeError):
        migrations.migrate(engine, "old")
    assert set(inspect(engine).get_table_names()) == before
    monkeypatch.undo()
    migrations.migrate(engine, "old")
    assert differences(engine) == []


def test_a_newer_schema_is_worked_on_while_it_only_expanded(new_engine):
    engine = new_engine("newer")
    migrations.migrate(engine, "newer")
    with engine.begin() as conn:
        conn.exec_driver_sql(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9998'")
    migrations.migrate(engine, "newer")
    with engine.begin() as conn:
        migrations.contract(conn, "9998")
    with pytest.raises(NewerDataError, match="schema 9998"):
        migrations.migrate(engine, "newer")


def test_programs_of_the_first_schema_still_take_an_expanded_file(tmp_path):
    """They look at PRAGMA user_version alone, and know 1."""
    assert migrations.OLDEST_SUPPORTED == "0001", "then this test has done its work"
    engine = make_engine(parse_url(f"sqlite:///{tmp_path}/sync.db"), writes=True)
    migrations.migrate(engine, "new")
    engine.dispose()
    with sqlite3.connect(tmp_path / "sync.db") as conn:
        assert conn.execute("PRAGMA user_version").fetchone() == (1,)
