# shellcheck shell=sh
# Sourced by the commands in scripts/: runs a module of scripts/_bootstrap in the first CPython from 3.11 on that is
# found. $PYTHON chooses another one.
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd) || exit 1

usable() {
    "$1" -c 'import sys; sys.exit(sys.implementation.name != "cpython" or sys.version_info < (3, 11))' \
        >/dev/null 2>&1 </dev/null
}

bootstrap() { # bootstrap MODULE ARGUMENT...
    for python in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11 python \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin/python3; do
        if usable "$python"; then
            module=$1
            shift
            cd -- "$root" || exit 1
            # PYTHONPATH, and not the working directory, so that it also works where PYTHONSAFEPATH is set.
            PYTHONPATH=$root PYTHONDONTWRITEBYTECODE=1 exec "$python" -m "scripts._bootstrap.$module" "$@"
        fi
    done
    echo "$0: no CPython 3.11 or newer found; put one on the PATH or name it in PYTHON" >&2
    exit 1
}
