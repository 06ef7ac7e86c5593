#!/bin/sh
# Unpacks PostgreSQL, pg_cron and plpgsql_check of another Debian release, to run beside the machine's.
#   unpack-postgres.sh RELEASE VERSION FOLDER      such as: unpack-postgres.sh trixie 17 /opt/postgres-17
# Then GMAIL_SYNC_POSTGRES_PROGRAMS=FOLDER/bin chooses it. FOLDER may be deleted at any time.
# The programs use the C library of that release, which lies in FOLDER as well. Changes nothing
# outside FOLDER and needs no root. There is no JIT: LLVM is larger than all the rest.
# Does nothing, and prints nothing, if FOLDER has that version.
set -eu

# What the packages need when they are installed, or what only JIT and PL/Perl load.
without='lib(llvm|z3-|perl|db5|gdbm|pam-modules|sasl2-modules|sem|sepol|selinux|pcre2|.*-perl$|.*-l10n$|.*-common$)'

main() {
    [ $# -eq 3 ] || { echo "usage: $0 RELEASE VERSION FOLDER" >&2; exit 2; }
    release=$1 version=$2
    "$3/bin/postgres" --version 2>/dev/null | grep -q " $version\." && return
    echo "Unpacking PostgreSQL $version of Debian $release into $3" >&2
    mkdir -p "$3"
    folder=$(cd "$3" && pwd)
    temporary=$(mktemp -d)
    trap 'rm -rf "$temporary"' EXIT
    download
    rm -rf "$folder/root"
    for package in "$temporary"/*.deb; do dpkg-deb --extract "$package" "$folder/root"; done
    bind_programs
    # A server that has the module for JIT would fail to load it.
    rm -rf "$folder"/root/usr/lib/postgresql/*/lib/llvmjit* "$folder"/root/usr/lib/postgresql/*/lib/bitcode \
        "$folder"/root/usr/share/doc "$folder"/root/usr/share/locale "$folder"/root/usr/share/man
    # Last: it shows that the rest was done.
    ln -sfn "root/usr/lib/postgresql/$version/bin" "$folder/bin"
    "$folder/bin/postgres" --version >&2
}

download() {
    mkdir -p "$temporary/lists/partial" "$temporary/archives/partial"
    : >"$temporary/installed"
    uri=$(mirror)
    [ -n "$uri" ] || { echo "This machine's apt has no Debian source: add one, then run apt-get update." >&2; exit 1; }
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $release main" >"$temporary/sources.list"
    apt update >&2
    packages=$(
        apt install --simulate --no-install-recommends patchelf \
            "postgresql-$version-cron" "postgresql-$version-plpgsql-check" |
            awk '/^Inst/ { print $2 }' |
            grep -E "^(postgresql-(client-)?$version|lib|zlib|patchelf)" | grep -vE "^$without"
    )
    # A word for each package. apt-get downloads into the working directory.
    (cd "$temporary" && apt download $packages >&2)
}

# As if no package were installed, so that all that is needed is downloaded.
apt() {
    apt-get -qq -o Dir::Etc::SourceList="$temporary/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::PreferencesParts=/dev/null -o Dir::State="$temporary" \
        -o Dir::State::Status="$temporary/installed" -o Dir::Cache="$temporary" \
        -o APT::Sandbox::User= -o Acquire::Languages=none -o Debug::NoLocking=true "$@"
}

# Debian's own that this machine uses, for a machine may reach no other.
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Created-By: Packages' | head -n 1
}

# The libraries found for a program are found for the modules that it loads, too.
bind_programs() {
    loader=$(echo "$folder"/root/usr/lib/*/ld-linux-*.so.*)
    libraries=${loader%/*}
    for program in "$folder/root/usr/lib/postgresql/$version"/bin/*; do
        # Some are scripts.
        [ "$(dd if="$program" bs=1 skip=1 count=3 2>/dev/null)" = ELF ] || continue
        "$loader" --library-path "$libraries" "$folder/root/usr/bin/patchelf" \
            --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$program"
    done
}

main "$@"
