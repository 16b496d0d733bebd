# Sourced by the scripts beside it: finds an interpreter and makes environments. Owns ./.venv* and nothing else;
# never installs outside them.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '%s\n' "== $*" >&2; }

die() {
  printf '%s\n' "$@" >&2
  exit 1
}

# runs_version PYTHON VERSION: it really runs (a version manager's shim may not) and is that version.
runs_version() {
  "$1" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" >/dev/null 2>&1
}

# interpreter_of VERSION: prints the first CPython of that version on PATH or among pyenv's, or fails.
interpreter_of() {
  local candidate pyenv_root=${PYENV_ROOT:-$HOME/.pyenv}
  for candidate in $(type -aP "python$1" || true) "$pyenv_root/versions/$1".*/bin/python; do
    if runs_version "$candidate" "$1"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

# default_interpreter: the oldest supported version that is here; PYTHON=... overrides it.
default_interpreter() {
  local version
  if [ -n "${PYTHON:-}" ]; then
    printf '%s\n' "$PYTHON"
    return
  fi
  for version in 3.11 3.12 3.13 3.14; do
    interpreter_of "$version" && return
  done
  die "No Python 3.11 or newer was found on PATH or in pyenv." "Install one, or name it: PYTHON=/path/to/python $0"
}

# make_environment FOLDER PYTHON PIP-ARGUMENTS...: makes the environment, or keeps the one that still fits.
# It fits while the interpreter, its place, the arguments and pyproject.toml are what it was made from.
# One process at a time makes it (where flock is to be had); the others wait and then find it made.
make_environment() (
  folder=$1 python=$2
  shift 2
  made_from=$("$python" -VV && printf '%s\n' "$root" "$python" "$@" && cat pyproject.toml)
  exec 9>"$folder.lock"
  if command -v flock >/dev/null; then flock 9; fi
  if [ "$(cat "$folder/made-from" 2>/dev/null)" = "$made_from" ] && "$folder/bin/python" -c '' 2>/dev/null; then
    exit
  fi
  say "making ./$folder with $("$python" -V)"
  rm -rf "$folder"
  "$python" -m venv "$folder" ||
    die "$python could not make an environment. On Debian and Ubuntu its venv module is a package of its own: python3-venv."
  "$folder/bin/python" -m pip install -qq --no-input --disable-pip-version-check "$@" ||
    die "Installing into ./$folder failed (see above). It needs a package index, or a warm pip cache."
  printf '%s\n' "$made_from" >"$folder/made-from"
)
