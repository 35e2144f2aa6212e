"""A new PostgreSQL 16 cluster: what initdb makes, for a user id that need not have a name.

initdb looks the user's name up in /etc/passwd and ends if there is none, as for the arbitrary user ids of containers;
it also needs a shell. Its work is small: some directories, some configuration, a run of postgres in its bootstrap mode,
and scripts that the installation brings along. The scripts are run on the server, as the single-user mode wants a name,
too; what they make has other object ids therefore. A test compares the outcome with initdb's own. Left out are the
collations of the operating system, template0, and the look for the largest memory and number of connections that work.
"""

from __future__ import annotations

import os

SEGMENT_BYTES = 1 << 20  # of the write-ahead log; small segments are made in no time

_FOLDERS = (
    "pg_wal",
    "pg_wal/archive_status",
    "global",
    "pg_commit_ts",
    "pg_dynshmem",
    "pg_notify",
    "pg_serial",
    "pg_snapshots",
    "pg_subtrans",
    "pg_twophase",
    "pg_multixact",
    "pg_multixact/members",
    "pg_multixact/offsets",
    "base",
    "base/1",
    "pg_replslot",
    "pg_tblspc",
    "pg_stat",
    "pg_stat_tmp",
    "pg_xact",
    "pg_logical",
    "pg_logical/snapshots",
    "pg_logical/mappings",
)
_VERSION = "16\n"
_CONFIGURATION = "datestyle = 'iso, mdy'\ndefault_text_search_config = 'pg_catalog.english'\n"
_ACCESS = "local all all trust\n"  # whoever can reach the socket, which is in a directory of the user's own

# What stands for what in the script for the bootstrap mode. UTF8 has the number 6; "c" is the C library's locale.
_TOKENS = {
    "NAMEDATALEN": "64",
    "SIZEOF_POINTER": "8",
    "ALIGNOF_POINTER": "d",
    "FLOAT8PASSBYVAL": "true",
    "POSTGRES": "'postgres'",
    "ENCODING": "6",
    "LC_COLLATE": "'C'",
    "LC_CTYPE": "'C'",
    "ICU_LOCALE": "_null_",
    "ICU_RULES": "_null_",
    "LOCALE_PROVIDER": "c",
}
BOOTSTRAP_OPTIONS = ("--boot", "-X", str(SEGMENT_BYTES), "-F", "-c", "log_checkpoints=false")
# The database that is there after the bootstrap, and the options of the session that completes it.
TEMPLATE = "template1"
SESSION_OPTIONS = "-O -c search_path=pg_catalog -c client_min_messages=error"

_DESCRIPTIONS = """
WITH functions AS (SELECT p.oid AS p_oid, o.oid AS o_oid, oprname FROM pg_proc p JOIN pg_operator o ON oprcode = p.oid)
INSERT INTO pg_description SELECT p_oid, 'pg_proc'::regclass, 0, 'implementation of ' || oprname || ' operator'
FROM functions
WHERE NOT EXISTS (SELECT 1 FROM pg_description WHERE objoid = p_oid AND classoid = 'pg_proc'::regclass)
AND NOT EXISTS (SELECT 1 FROM pg_description
    WHERE objoid = o_oid AND classoid = 'pg_operator'::regclass AND description LIKE 'deprecated%')
"""
_RELATIONS = "relkind IN ('r', 'v', 'm', 'S')"
_PRIVILEGES = f"""
UPDATE pg_class SET relacl = (SELECT array_agg(a.acl) FROM (SELECT E'=r/"postgres"' AS acl
    UNION SELECT unnest(acldefault(CASE WHEN relkind = 'S' THEN 's' ELSE 'r' END::"char", 10::oid))) AS a)
WHERE {_RELATIONS} AND relacl IS NULL
"""  # noqa: S608 - texts of our own, here and below
_COLUMN_PRIVILEGES = f"""
INSERT INTO pg_init_privs (objoid, classoid, objsubid, initprivs, privtype)
SELECT c.oid, 'pg_class'::regclass, a.attnum, a.attacl, 'i' FROM pg_class c JOIN pg_attribute a ON c.oid = a.attrelid
WHERE a.attacl IS NOT NULL AND c.{_RELATIONS}
"""  # noqa: S608
_WITH_PRIVILEGES = (
    ("pg_class", "relacl", f" AND {_RELATIONS}"),
    ("pg_proc", "proacl", ""),
    ("pg_type", "typacl", ""),
    ("pg_language", "lanacl", ""),
    ("pg_largeobject_metadata", "lomacl", ""),
    ("pg_namespace", "nspacl", ""),
    ("pg_foreign_data_wrapper", "fdwacl", ""),
    ("pg_foreign_server", "srvacl", ""),
)
_FEATURES = "feature_id, feature_name, sub_feature_id, sub_feature_name, is_supported, comments"
_LAST = (
    "CREATE EXTENSION plpgsql",
    "ANALYZE",
    "REVOKE CREATE, TEMPORARY ON DATABASE template1 FROM public",
    "CREATE DATABASE postgres OID = 5",
    "COMMENT ON DATABASE postgres IS 'default administrative connection database'",
)


def lay_out(data: str) -> None:
    """Make the directories and the configuration."""
    os.mkdir(data, 0o700)
    for folder in _FOLDERS:
        os.mkdir(os.path.join(data, folder), 0o700)
    write_version(data)
    for name, text in (
        ("postgresql.conf", _CONFIGURATION),
        ("postgresql.auto.conf", ""),
        ("pg_hba.conf", _ACCESS),
        ("pg_ident.conf", ""),
    ):
        write(os.path.join(data, name), text)


def write_version(folder: str) -> None:
    """Note the version of PostgreSQL in a directory, the data directory's or a database's."""
    write(os.path.join(folder, "PG_VERSION"), _VERSION)


def bootstrap_script(share: str) -> str:
    """What postgres reads in its bootstrap mode, to make the system catalogs."""
    lines = _read(share, "postgres.bki").split("\n")
    for token, value in _TOKENS.items():
        lines = [line.replace(token, value, 1) for line in lines]
    return "\n".join(lines)


def statements(share: str) -> list[str]:
    """What is to be run on the server then, each as one query: functions, views, privileges, databases."""
    features = os.path.join(share, "sql_features.txt").replace("\\", "\\\\").replace("'", "\\'")
    return [
        "REVOKE ALL ON pg_authid FROM public",
        _read(share, "system_constraints.sql"),
        _read(share, "system_functions.sql"),
        _read(share, "system_views.sql"),
        _DESCRIPTIONS,
        "UPDATE pg_collation SET collversion = pg_collation_actual_version(oid) WHERE collname = 'unicode'",
        _read(share, "snowball_create.sql"),
        _PRIVILEGES,
        "GRANT USAGE ON SCHEMA pg_catalog, public TO PUBLIC",
        "REVOKE ALL ON pg_largeobject FROM PUBLIC",
        *(_initial_privileges(*each) for each in _WITH_PRIVILEGES),
        _COLUMN_PRIVILEGES,
        _read(share, "information_schema.sql"),
        f"COPY information_schema.sql_features ({_FEATURES}) FROM E'{features}'",
        *_LAST,
    ]


def _initial_privileges(table: str, column: str, condition: str) -> str:
    values = f"SELECT oid, '{table}'::regclass, 0, {column}, 'i' FROM {table}"  # noqa: S608
    target = "INSERT INTO pg_init_privs (objoid, classoid, objsubid, initprivs, privtype)"
    return f"{target} {values} WHERE {column} IS NOT NULL{condition}"


def _read(share: str, name: str) -> str:
    with open(os.path.join(share, name), encoding="utf-8") as file:
        return file.read()


def write(path: str, text: str) -> None:
    """Write a new file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
