"""The supervisor of an embedded PostgreSQL server, on the standard library alone.

`supervisor.py` beside this package runs them under an isolated interpreter; nothing here may import the rest of the
emulator, which isn't on the path there.
"""
