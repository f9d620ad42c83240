"""Roles, database and default privileges: the one thing that needs a superuser, once a database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from psycopg import Connection, sql

EXTENSIONS = ("btree_gist",)  # exclusion constraints over an id and a range


@dataclass(frozen=True, slots=True)
class DatabaseSetup:
    """What to set up.

    `owner` owns every schema and table and runs migrations and provisioning; `app` is the runtime
    role, which reads and writes rows and can neither truncate a table nor touch a trigger.
    """

    database: str
    owner: str
    owner_password: str
    app: str
    app_password: str


def set_up_database(
    server: Connection, *, connect: Callable[[], Connection], setup: DatabaseSetup
) -> None:
    """Make the roles, the database and its privileges; repeating it changes nothing.

    `server` is an autocommit superuser connection to any database of the cluster; `connect` opens
    one to the database set up here.

    :raises psycopg.errors.InsufficientPrivilege: when the connection may not create roles.
    """
    _ensure_role(server, setup.owner, setup.owner_password)
    _ensure_role(server, setup.app, setup.app_password)
    _ensure_database(server, setup)
    with connect() as connection:
        for statement in _privileges(setup):
            connection.execute(statement)


def _ensure_role(server: Connection, name: str, password: str) -> None:
    exists = server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    verb = sql.SQL("ALTER" if exists else "CREATE")
    server.execute(
        sql.SQL(
            "{verb} ROLE {name} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD {pw}"
        ).format(verb=verb, name=sql.Identifier(name), pw=sql.Literal(password))
    )


def _ensure_database(server: Connection, setup: DatabaseSetup) -> None:
    query = "SELECT 1 FROM pg_database WHERE datname = %s"
    if server.execute(query, [setup.database]).fetchone() is None:
        # Not every superuser of a managed service may give a database away without being a member.
        server.execute(
            sql.SQL("GRANT {owner} TO CURRENT_USER").format(owner=sql.Identifier(setup.owner))
        )
        server.execute(
            sql.SQL(
                "CREATE DATABASE {name} OWNER {owner} ENCODING 'UTF8' TEMPLATE template0"
            ).format(name=sql.Identifier(setup.database), owner=sql.Identifier(setup.owner))
        )


def _privileges(setup: DatabaseSetup) -> list[sql.Composed]:
    names = {
        "database": sql.Identifier(setup.database),
        "owner": sql.Identifier(setup.owner),
        "app": sql.Identifier(setup.app),
    }
    extensions = [f"CREATE EXTENSION IF NOT EXISTS {name} SCHEMA public" for name in EXTENSIONS]
    return [sql.SQL(text).format(**names) for text in [*extensions, *_STATEMENTS]]


# Whatever the owner creates later, schema by schema, is usable by the application at once and only
# in these ways. TRUNCATE, REFERENCES, TRIGGER and ownership stay with the owner.
_STATEMENTS = (
    "ALTER DATABASE {database} OWNER TO {owner}",
    "ALTER DATABASE {database} SET timezone TO 'UTC'",
    "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
    "GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {app}",
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    "GRANT USAGE ON SCHEMA public TO {app}",
    "GRANT USAGE, CREATE ON SCHEMA public TO {owner}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT USAGE ON SCHEMAS TO {app}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner}"
    " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT USAGE, SELECT ON SEQUENCES TO {app}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT EXECUTE ON FUNCTIONS TO {app}",
)
