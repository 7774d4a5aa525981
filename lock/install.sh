#!/bin/sh
# Build .venv from lock/run.txt (to use tuneset) or lock/dev.txt (to work on it): `sh lock/install.sh run`.
# uv does it where it is there, else venv and pip. PYTHON=... chooses the interpreter.
set -eu

if command -v uv >/dev/null; then
    modules=sys tool_modules=sys
    create() { uv venv --quiet --python "$1" .venv; }
    install() { uv pip install --quiet --python .venv/bin/python "$@"; }
else
    modules=sys,venv,ensurepip tool_modules=sys,pip
    create() { "$1" -m venv .venv; }
    install() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }
fi

# A pyenv shim can be there and still say "command not found", and Debian's Python comes without venv: so run it.
works() {
    "$1" -c "import $2; sys.exit(sys.version_info < (3, 11))" 2>/dev/null
}

if ! works .venv/bin/python "$tool_modules"; then
    python=
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        if works "$name" "$modules"; then python=$name && break; fi
    done
    if [ -z "$python" ]; then
        echo "no Python 3.11 or newer with venv and pip"
        echo "  at   ${PYTHON:-PATH}"
        echo "  try  installing one (Debian: apt install python3-venv), or make PYTHON=/path/to/python"
        exit 1
    fi >&2
    rm -rf .venv
    create "$python"
fi

echo "installing lock/$1.txt into .venv ($(.venv/bin/python -V), the first time takes a minute)"
install --require-hashes -r "lock/$1.txt"
install --no-deps --no-build-isolation -e .
