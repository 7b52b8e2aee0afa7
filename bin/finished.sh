# Sourced by what needs a finished .venv: bin/setup.sh has the first while it installs, and writes the second at the end
if [ -e .venv-unfinished ] || [ ! -e .venv/installed-for-test ]; then
    echo "$0: .venv is missing or unfinished; run bin/test tests/test_house.py first, which makes it" >&2
    exit 1
fi
