#!/usr/bin/env bash
# Adoption from other languages, without ward's Go packages: what docs/ADOPTING.md shows for JavaScript (pg from npm) and Python (psycopg 3) signs in, writes, asks, looks and changes, and is refused
# at another clinic's door; over a connection of its own, and through PgBouncer in transaction mode. Starts a server of its own and leaves nothing behind but npm's cache.
#
#   testdata/languages.sh      WARD_PG_BIN=DIR where initdb and psql are, if they are not found
set -euo pipefail
cd "$(dirname "$0")/.."

script=languages
. testdata/server.sh

sql() { "$bin/psql" -q -X -A -t -v ON_ERROR_STOP=1 "$@"; }

begin "two clinics, one person at each, a protected table"
cat >"$work/ward.yaml" <<YAML
database: $(url ward_reviewer)
YAML
export WARD_CONFIG=$work/ward.yaml XDG_STATE_HOME=$work/state
sign_in root
for place in cedar:casey harbor:hugo; do
	by root tenant add "${place%:*}" "${place%:*} clinic" >/dev/null 2>&1
	by root user add "${place#*:}" "${place#*:} Adopter" --password <<<"$password" >/dev/null 2>&1
	by root member add "${place%:*}" "${place#*:}" clinician >/dev/null 2>&1
done
sql -f testdata/adopt_schema.sql
"$work/ward" protect public.visits --database "$(url postgres)" --subject patient_id --permit clinician=view,create,modify 2>/dev/null
OTHER_TENANT=$(sql -c "select id from tenancy.tenant where slug = 'harbor'")
OTHER_VISIT=$(sql -c "select gen_random_uuid()")
export PASSWORD=$password OTHER_TENANT OTHER_VISIT
# the visit at harbor, loaded by the superuser: it is somebody else's, and it is there
sql -c "alter table public.visits disable trigger audit_write" \
	-c "insert into public.visits (tenant_id, id, patient_id, provider_id, reason) values ('$OTHER_TENANT', '$OTHER_VISIT', gen_random_uuid(), gen_random_uuid(), 'Synthetic cough')" \
	-c "alter table public.visits enable always trigger audit_write"

begin "PgBouncer, in transaction mode, two connections"
mkdir "$work/bouncer"
cat >"$work/bouncer/ini" <<INI
[databases]
clinic = host=$work/pg dbname=clinic user=ward_app
[pgbouncer]
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_reset_query = DISCARD ALL
server_reset_query_always = 1
unix_socket_dir = $work/bouncer
listen_addr =
listen_port = 6432
pidfile = $work/bouncer/pid
logfile = $work/bouncer/log
ignore_startup_parameters = extra_float_digits,options
INI
[ "$(id -u)" != 0 ] || chown -R "$server_user" "$work/bouncer"
pgbouncer=$(command -v pgbouncer || echo /usr/sbin/pgbouncer)
as_server "$pgbouncer" -q -d "$work/bouncer/ini"
bounces() { PGOPTIONS='' PGHOST=$work/bouncer PGPORT=6432 PGUSER=ward_app sql -c "select 1" >/dev/null 2>&1; }
until_true 20 bounces

begin "pg, from npm"
cp testdata/languages/*.json testdata/languages/visits.mjs "$work/"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --loglevel=error >/dev/null)

directly=$(url ward_app)
through="postgres://ward_app@/clinic?host=$work/bouncer&port=6432"
python=${WARD_PYTHON:-/usr/bin/python3}
unset PGOPTIONS PGHOST PGUSER PGDATABASE
for url in "$directly" "$through"; do
	begin "JavaScript: $([ "$url" = "$directly" ] && echo directly || echo through PgBouncer)"
	(cd "$work" && node visits.mjs "$url") >"$work/said" || die "visits.mjs"
	grep -qx "read and written; refused across clinics" "$work/said" || die "visits.mjs did not come to its end"
	begin "Python: $([ "$url" = "$directly" ] && echo directly || echo through PgBouncer)"
	"$python" testdata/languages/visits.py "$url" >"$work/said" || die "visits.py (Debian: apt install python3-psycopg)"
	grep -qx "read and written; refused across clinics" "$work/said" || die "visits.py did not come to its end"
done

begin "what is on record"
export PGHOST=$work/pg PGUSER=postgres PGDATABASE=clinic
# of each of the four runs: one row written, read, changed, searched for and read again; two refusals, of a forged token and of one whose session had ended; the try at harbor; the ask for harbor's visit, under casey's name
recorded=$(sql -c "select string_agg(n || ' ' || what, ', ' order by what) from (select concat_ws(' ', action, outcome, case when record_id = '$OTHER_VISIT' then 'of harbor' end) as what, count(*) as n
	from audit.event where action in ('create', 'view', 'modify', 'refresh', 'refuse', 'search') group by 1) x")
[ "$recorded" = "4 create ok, 4 modify ok, 4 refresh ok, 8 refuse denied, 4 search ok, 8 view ok, 4 view ok of harbor" ] || die "on record is: $recorded"
[ "$(sql -c "select count(*) from audit.event e join tenancy.users u on u.id = e.user_id where u.slug = 'casey' and e.action = 'sign_in' and e.outcome = 'denied'")" = 4 ] || die "the tries at harbor are not on record"
[ "$(sql -c "select reason from public.visits where id = '$OTHER_VISIT'")" = "Synthetic cough" ] || die "the visit at harbor was changed"

cd "$here"
echo "languages: ok (${SECONDS} s)"
