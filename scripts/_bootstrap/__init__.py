"""Set-up that the commands in `scripts/` share: interpreters, environments, steps.

Runs on a bare CPython 3.11 with the standard library alone, before anything is installed.
"""
