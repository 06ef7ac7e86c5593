#!/bin/sh
# Makes sure PostgreSQL (15 or newer) and pg_cron are installed; prints nothing when they are.
#   --with-chromium  Chromium too, for the browser tests; does without, with a warning
#   --with-faketime  libfaketime too, for clocks that are wrong; does without, with a warning
#   --with-nginx     nginx too, for the test that goes through it; does without, with a warning
#   --with-node      Node.js with npm too, for the test of a TypeScript client; does without, with a
#                    warning
#   --with-notmuch   what lieer is built with, for make bench; does without, with a warning
#   --with-pgbouncer pgbouncer too, for the test that goes through it; does without, with a warning
#   --with-plproxy   its package for each server, for the router; does without, with a warning
#   --with-plpgsql-check  its package for each server, for the test that checks the functions; does
#                    without, with a warning
#   --with-prometheus  Prometheus too, for the tests of alerts and dashboard; does without, with a
#                    warning
#   --with-venv      Python's venv module too, to make .venv with
# A server installed by hand is found through the pg_config on PATH. If GMAIL_SYNC_POSTGRES_PROGRAMS
# names a folder, only the server of that folder counts.
# Used by `make setup`, `make demo` and the images. Makes no database cluster and starts no server.
# Exit status 1, with the command to run, when something is missing and we are not root.
set -eu

oldest=15
cluster_settings=/etc/postgresql-common/createcluster.d/gmail-sync.conf
service_policy=/usr/sbin/policy-rc.d

main() {
    chromium= faketime= nginx= node= notmuch= pgbouncer= plproxy= plpgsql_check= prometheus= venv=
    for option; do
        case $option in
            --with-chromium) chromium=chromium ;;
            --with-faketime) faketime=libfaketime ;;
            --with-nginx) nginx=nginx ;;
            --with-node) node="nodejs npm" ;;
            --with-notmuch) notmuch="libnotmuch-dev gcc libc6-dev python3-dev" ;;
            --with-pgbouncer) pgbouncer=pgbouncer ;;
            --with-plproxy) plproxy=yes ;;
            --with-plpgsql-check) plpgsql_check=yes ;;
            --with-prometheus) prometheus=prometheus ;;
            --with-venv) venv=python3-venv ;;
            *) echo "usage: $0 [--with-chromium] [--with-faketime] [--with-nginx] [--with-node] [--with-notmuch] [--with-pgbouncer] [--with-plproxy] [--with-plpgsql-check] [--with-prometheus] [--with-venv]" >&2; exit 2 ;;
        esac
    done

    has_pg_cron || install_postgres
    [ -z "$venv" ] || python3 -c 'import ensurepip' 2>/dev/null || install "$venv"
    [ -z "$chromium" ] || has_program chromium ||
        install_if_possible "Chromium: only the browser tests need it." install "$chromium"
    [ -z "$faketime" ] || has_faketime ||
        install_if_possible "libfaketime: only two faults of make chaos and one test need it." install "$faketime"
    [ -z "$nginx" ] || has_program nginx ||
        install_if_possible "nginx: only the test that goes through it needs it." without_service install "$nginx"
    # Several packages, a word each.
    [ -z "$node" ] || has_program npm ||
        install_if_possible "npm: only the test of a TypeScript client needs it." install $node
    [ -z "$notmuch" ] || [ -e /usr/include/notmuch.h ] ||
        install_if_possible "notmuch: make bench leaves lieer out." install $notmuch
    [ -z "$pgbouncer" ] || has_program pgbouncer ||
        install_if_possible "pgbouncer: only the router and the test that goes through it need it." without_service install "$pgbouncer"
    [ -z "$plproxy" ] || has_extension plproxy ||
        install_if_possible "PL/Proxy: only the router needs it." \
            install "postgresql-$(newest_server)-plproxy"
    [ -z "$plpgsql_check" ] || has_extension plpgsql_check ||
        install_if_possible "plpgsql_check: only the test that checks the functions needs it." \
            install "postgresql-$(newest_server)-plpgsql-check"
    [ -z "$prometheus" ] || has_program prometheus ||
        install_if_possible "Prometheus: only the tests of alerts and dashboard need it." without_service install "$prometheus"
}

# Runs a command that installs something; with a warning if it cannot.
install_if_possible() {
    warning=$1
    shift
    # Once for all: a subshell would not remember it.
    ! can_install || update_lists
    ("$@") || echo "Went on without $warning" >&2
}

has_faketime() {
    for library in /usr/lib/*/faketime/libfaketime.so.1; do
        [ -e "$library" ] && return
    done
    return 1
}

# Where Debian puts them need not be on the PATH of a user.
has_program() {
    [ -x "/usr/sbin/$1" ] || command -v "$1" >/dev/null
}

has_pg_cron() {
    has_extension pg_cron
}

# The same search as service/demo/cluster.py: the folder chosen, or where Debian keeps the servers,
# and PATH.
has_extension() {
    if [ -n "${GMAIL_SYNC_POSTGRES_PROGRAMS:-}" ]; then
        set -- "$1" "$GMAIL_SYNC_POSTGRES_PROGRAMS/pg_config"
    else
        set -- "$1" /usr/lib/postgresql/*/bin/pg_config "$(command -v pg_config)"
    fi
    extension=$1
    shift
    for pg_config; do
        "$pg_config" --version >/dev/null 2>&1 || continue
        [ "$(major_version "$pg_config")" -ge $oldest ] || continue
        [ -x "$("$pg_config" --bindir)/postgres" ] || continue
        [ -e "$("$pg_config" --pkglibdir)/$extension.so" ] && return
    done
    return 1
}

major_version() {
    "$1" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'
}

install_postgres() {
    if [ -n "${GMAIL_SYNC_POSTGRES_PROGRAMS:-}" ]; then
        echo "GMAIL_SYNC_POSTGRES_PROGRAMS is $GMAIL_SYNC_POSTGRES_PROGRAMS, and no PostgreSQL $oldest or newer" \
            "with pg_cron is there." >&2
        exit 1
    fi
    need_root "PostgreSQL $oldest or newer with pg_cron (on Debian 12: postgresql-15-cron)"
    version=$(newest_server)
    if [ -z "$version" ]; then
        update_lists
        version=$(offered_server)
    fi
    if [ "${version:-0}" -lt $oldest ]; then
        echo "This distribution offers PostgreSQL ${version:-(none)}; $oldest or newer is needed," \
            "with its pg_cron: add the PostgreSQL project's own apt source, then run this again." >&2
        exit 1
    fi
    # It depends on the server. The venv module comes along: each run of apt takes seconds.
    without_main_cluster install "postgresql-$version-cron" $venv
}

newest_server() {
    for postgres in /usr/lib/postgresql/*/bin/postgres; do
        [ -x "$postgres" ] && major_version "$postgres"
    done | sort -n | awk -v oldest=$oldest '$1 >= oldest { version = $1 } END { print version }'
}

offered_server() {
    apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p'
}

# Debian's packages would make and start a server on port 5432.
without_main_cluster() {
    as_root mkdir -p "${cluster_settings%/*}"
    echo 'create_main_cluster = false' | as_root tee "$cluster_settings" >/dev/null
    trap 'as_root rm -f "$cluster_settings"' EXIT
    "$@"
}

# Debian's package of a server would start it, now and at each boot. In a subshell: the trap.
# The server's name is that of the package.
without_service() {
    if as_root [ ! -e "$service_policy" ]; then
        trap 'as_root rm -f "$service_policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$service_policy" >/dev/null
        as_root chmod +x "$service_policy"
    fi
    "$@" && as_root update-rc.d "$2" disable >/dev/null
}

install() {
    need_root "$*"
    update_lists
    echo "Installing $* ($(megabytes "$@") MB to download)" >&2
    # What apt reports matters only if it fails.
    report=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 \
        install -y --no-install-recommends "$@" 2>&1) || { echo "$report" >&2; return 1; }
}

megabytes() {
    apt-get -qq --print-uris install --no-install-recommends "$@" 2>/dev/null |
        awk '{ bytes += $3 } END { printf "%.0f", bytes / 1e6 }'
}

update_lists() {
    [ -z "${updated:-}" ] || return 0
    echo "Updating the lists of packages" >&2
    as_root apt-get -qq -o DPkg::Lock::Timeout=120 update >&2
    updated=yes
}

need_root() {
    if ! command -v apt-get >/dev/null; then
        echo "Missing: $1. Without apt-get, install it by hand." >&2
        exit 1
    fi
    can_install && return
    echo "Missing: $1. To install it, run:" \
        "sudo $0${chromium:+ --with-chromium}${faketime:+ --with-faketime}${nginx:+ --with-nginx}${notmuch:+ --with-notmuch}${pgbouncer:+ --with-pgbouncer}${plproxy:+ --with-plproxy}${plpgsql_check:+ --with-plpgsql-check}${prometheus:+ --with-prometheus}${venv:+ --with-venv}" >&2
    exit 1
}

can_install() {
    command -v apt-get >/dev/null && as_root true 2>/dev/null
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

main "$@"
