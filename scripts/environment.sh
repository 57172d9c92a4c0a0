# The environment that quickstart and test share, in .venv of the checkout. To be sourced, not run.
# Sets root (the checkout) and python (the environment's interpreter, absolute).

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
python="$root/.venv/bin/python"

# What a script says of itself, up to its first line that is no comment.
usage() {
    local line
    while IFS= read -r line; do
        case "$line" in
            '#!'*) ;;
            '#'*) line="${line#'#'}" && say "${line# }" ;;
            *) break ;;
        esac
    done <"$0"
}

say() { printf '%s\n' "$@"; }

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1; }

find_python() {
    local name
    for name in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python; do
        if fits "$name"; then
            command -v "$name"
            return
        fi
    done
    stop "snnlab needs Python 3.11, 3.12 or 3.13; found: $(python3 --version 2>/dev/null || echo none)." \
        "Install one (Debian, Ubuntu: sudo apt install python3 python3-venv; Fedora: sudo dnf install python3;" \
        "macOS: brew install python@3.13), or name it: PYTHON=/path/to/python $0"
}

need_compiler() {
    local name
    if [ -n "${CXX:-}" ]; then return; fi
    for name in g++ clang++ c++; do
        if command -v "$name" >/dev/null; then return; fi
    done
    stop "snnlab needs a C++ compiler; found none of g++, clang++, c++." \
        "Install one (Debian, Ubuntu: sudo apt install g++; Fedora: sudo dnf install gcc-c++;" \
        "macOS: xcode-select --install), or name it: CXX=/path/to/compiler $0"
}

# What an installation depends on: when any of it changes, the next run installs again.
fingerprint() {
    "$python" -c '
import hashlib, pathlib, sys
print(hashlib.sha256(pathlib.Path("pyproject.toml").read_bytes()).hexdigest(), sys.version, pathlib.Path.cwd())'
}

make_environment() {
    local base
    if [ -e .venv ] && [ ! -e .venv/pyvenv.cfg ]; then
        stop "$root/.venv is not a Python environment; move it away and start again."
    fi
    if ! fits "$python"; then
        base="$(find_python)"
        [ ! -e .venv ] || say "The Python in .venv is gone or does not fit; making it anew"
        say "Making .venv with $("$base" --version) ($base)"
        "$base" -m venv --clear .venv ||
            stop "$base could not make an environment (Debian, Ubuntu: sudo apt install python3-venv)."
    fi
    "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip >/dev/null 2>&1 ||
        stop "$root/.venv has no pip (Debian, Ubuntu: sudo apt install python3-venv); remove it and start again."
}

# prepare EXTRAS: .venv with snnlab installed in it, editable; EXTRAS is "" or "[dev]".
prepare() {
    local extras="$1" started=$SECONDS stamp log="$root/.venv/install.log"
    need_compiler
    cd "$root"
    make_environment
    for stamp in "installed$extras" "installed[dev]"; do
        if [ "$(cat ".venv/$stamp" 2>/dev/null)" = "$(fingerprint)" ]; then return; fi
    done
    say "Installing snnlab and what it needs into .venv: about a minute, and 170 MB of downloads"
    if ! "$python" -m pip install --no-input --disable-pip-version-check --editable ".$extras" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        stop "The installation failed; all it said is in $log"
    fi
    fingerprint >".venv/installed$extras"
    say "Installed in $((SECONDS - started)) s"
}
