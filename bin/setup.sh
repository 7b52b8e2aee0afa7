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
    step=""
    exit 1
}

# Say which step a failure was in: `set -e` alone would end without a word.
ended() {
    status=$?
    [ "$status" -eq 0 ] || [ -z "$step" ] || say "$(basename "$0"): failed at: $step" >&2
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

# Install those of the named Debian packages that are missing, and what the virtual environment needs.
packages() {
    find_python || set -- "$@" python3
    unbroken || "${python:-false}" -c 'import ensurepip, venv' 2>/dev/null || set -- "$@" python3-venv
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
    say "Installing Debian packages:$missing"
    install_missing || patiently install_anew ||
        fail "the Debian packages cannot be installed; is the mirror reachable? apt-get said:" \
            "$(printf '%s\n' "$told" | grep -m 1 '^E:' || printf '%s\n' "$told" | tail -n 1)"
}

install_missing() {
    # shellcheck disable=SC2086 # words are wanted
    apt install --no-install-recommends $missing
}

# What failed may have been an old list of packages, or an installation that was interrupted.
install_anew() {
    root dpkg --configure -a && apt update && install_missing
}

# Run a command, and where it fails again, after 5 and after 30 seconds: a mirror may be away for a moment,
# or a machine that has just started may be updating its lists of packages.
patiently() {
    for pause in 5 30; do
        ! "$@" || return 0
        say "That failed; trying again in $pause s"
        sleep "$pause"
    done
    "$@"
}

# Run a command as root, without questions; what it says goes into $told.
root() {
    # shellcheck disable=SC2086 # nothing at all when we are root
    told=$($as_root env DEBIAN_FRONTEND=noninteractive ${SYSTEMD_OFFLINE:+SYSTEMD_OFFLINE=1} "$@" 2>&1 </dev/null)
}

apt() {
    root apt-get --quiet=2 --yes -o DPkg::Lock::Timeout=300 "$@"
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

# Whether .venv is there and whole: an interrupted pip may leave packages that look installed.
unbroken() {
    [ ! -e .venv-unfinished ] && .venv/bin/python -c 'import pip' 2>/dev/null
}

# environment demo|docs|test: .venv with what that needs, at the releases and with the hashes of bin/locked, renewed when
# those or pyproject.toml change.
environment() {
    exec 9<pyproject.toml
    flock 9 # two at once would tread on each other
    step="making the virtual environment .venv"
    if ! unbroken; then
        find_python || fail "Python 3.11 or newer is needed; Debian 12 and 13 have it: apt-get install python3"
        say "Making .venv with $("$python" --version)"
        mkdir -p .venv-unfinished
        "$python" -m venv --clear .venv
    fi
    hash=$(cat pyproject.toml bin/locked/*.txt | sha256sum | cut -d' ' -f1)
    stamp=".venv/installed-for-$1"
    larger=$stamp
    [ "$1" != demo ] || larger=".venv/installed-for-test" # has all of it
    if [ "$(cat "$larger" 2>/dev/null)" != "$hash" ] && [ "$(cat "$stamp" 2>/dev/null)" != "$hash" ]; then
        say "Installing Python packages into .venv"
        mkdir -p .venv-unfinished
        pip --require-hashes --requirement "bin/locked/$1.txt"
        pip --no-deps --no-build-isolation --editable .
        printf '%s\n' "$hash" >"$stamp"
        rmdir .venv-unfinished
    fi
    exec 9<&-
}

pip_install() {
    told=$(.venv/bin/python -m pip install --quiet --disable-pip-version-check "$@" 2>&1)
}

pip() {
    if ! patiently pip_install "$@"; then
        rmdir .venv-unfinished # pip undoes what it cannot finish
        fail "the Python packages cannot be installed; is the package index reachable? pip said:" \
            "$(printf '%s\n' "$told" | grep -m 1 '^ERROR:' || printf '%s\n' "$told" | tail -n 1)"
    fi
}
