# What bin/test and bin/demo share: from a bare Debian to a virtual environment that runs.
# To be sourced, in the root of the tree, by a POSIX shell with `set -eu`.
#
# Everything here is skipped when it is done already, and done again when it was interrupted.

step="setting up"

say() {
    printf '%s\n' "$*"
}

fail() {
    say "$(basename "$0"): $*" >&2
    exit 1
}

# Say which step a failure was in: `set -e` alone would end without a word.
ended() {
    status=$?
    [ "$status" -eq 0 ] || say "$(basename "$0"): failed at: $step" >&2
    exit "$status"
}
trap ended EXIT

# Set $as_root to what must stand before a command for root to run it: nothing, or sudo.
find_root() {
    as_root=""
    [ "$(id -u)" -ne 0 ] || return 0
    as_root="sudo"
    command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }
}

# Install those of the named Debian packages that are missing.
packages() {
    missing=""
    for package in "$@"; do
        case $(dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null || true) in
        *" ok installed") ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null ||
        fail "these Debian packages are needed, and this machine has no apt-get:$missing"
    find_root ||
        fail "some Debian packages are missing; have root run: apt-get install --no-install-recommends$missing"
    step="installing Debian packages:$missing"
    say "Installing Debian packages:$missing"
    # shellcheck disable=SC2086 # words are wanted
    apt install --yes --no-install-recommends $missing ||
        { apt update && apt install --yes --no-install-recommends $missing; }
}

# apt-get without questions, and quiet unless it fails.
apt() {
    # shellcheck disable=SC2086 # nothing at all when we are root
    if ! told=$($as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" 2>&1 </dev/null)
    then
        printf '%s\n' "$told" | tail -n 5 >&2
        return 1
    fi
}

# Set $python to a Python 3.11 or newer.
find_python() {
    python=""
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        for one in "$name" "/usr/bin/$name"; do
            if "$one" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
                python=$one
                return 0
            fi
        done
    done
    return 1
}

# environment demo|test: .venv with what that needs, renewed when pyproject.toml changed.
environment() {
    step="making the virtual environment .venv"
    find_python || packages python3
    find_python || fail "Python 3.11 or newer is needed; Debian 12 and 13 have it: apt-get install python3"
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        "$python" -c 'import ensurepip, venv' 2>/dev/null || packages python3-venv
        step="making the virtual environment .venv"
        say "Making .venv with $("$python" --version)"
        "$python" -m venv --clear .venv
    fi
    step="installing Python packages into .venv"
    hash=$(sha256sum pyproject.toml | cut -d' ' -f1)
    stamp=".venv/installed-for-$1"
    if [ "$(cat .venv/installed-for-test 2>/dev/null)" != "$hash" ] && [ "$(cat "$stamp" 2>/dev/null)" != "$hash" ]; then
        say "Installing Python packages into .venv"
        # Tools in the virtual environment read dependency groups from pip 25.1 on.
        .venv/bin/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
        case $1 in
        test) .venv/bin/python -m pip install --quiet --editable . --group dev ;;
        *) .venv/bin/python -m pip install --quiet --editable . ;;
        esac
        printf '%s\n' "$hash" >"$stamp"
    fi
}
