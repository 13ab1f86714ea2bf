"""What docs/ADOPTING.md shows in Python, with psycopg 3 (Debian: python3-psycopg), and what the database then refuses. languages.sh runs it: visits.py URL, with PASSWORD, OTHER_TENANT and
OTHER_VISIT in the environment: a clinic where casey does not work, and a visit there."""
import base64
import json
import os
import sys
import uuid
from contextlib import contextmanager

import psycopg

url, password, other_tenant, other_visit = sys.argv[1], *(os.environ[name] for name in ("PASSWORD", "OTHER_TENANT", "OTHER_VISIT"))
patient = uuid.uuid4()

# shown from here
# postgresql://ward_app@HOST/clinic; autocommit: a statement outside of a transaction is committed when its answer is here. prepare_threshold=None: for PgBouncer.
conn = psycopg.connect(url, autocommit=True, prepare_threshold=None, row_factory=psycopg.rows.namedtuple_row)


@contextmanager
def identity(token, disclosure=None):
    """One transaction under somebody's identity. A refusal is committed like anything else, so that it is on record."""
    with conn.transaction():
        why = conn.execute("select tenancy.begin(%s, %s) as why", (token, disclosure)).fetchone().why
        if why is None:
            yield conn
    if why is not None:
        raise PermissionError(why)


def sign_in(user, tenant):  # the try is counted before anybody learns how it ended
    ticket = conn.execute("select tenancy.sign_in(%s, %s, %s) as ticket", (user, password, tenant)).fetchone().ticket
    signed = conn.execute("select * from tenancy.signed_in(%s)", (ticket,)).fetchone()
    if signed.reason is not None:
        raise PermissionError(signed.reason)
    return signed  # access_token, refresh_token, expires_at, session_id


def ask(token, table, ids):  # and commit; then a look under that disclosure shows the records, for 30 seconds
    disclosure = uuid.uuid4()
    why = conn.execute("select tenancy.ask(%s, %s, %s, %s, 'treatment') as why", (token, disclosure, table, ids)).fetchone().why
    if why is not None:
        raise PermissionError(why)
    return disclosure


casey = sign_in("casey", "cedar")
visit = uuid.uuid4()  # you choose it: nothing comes back from an insert
with identity(casey.access_token) as db:
    db.execute(
        "insert into public.visits (tenant_id, id, patient_id, provider_id, reason) values (tenancy.tenant_id(), %s, %s, tenancy.user_id(), %s)",
        (visit, patient, "Synthetic headache"),
    )

look = ask(casey.access_token, "public.visits", [visit])
with identity(casey.access_token, look) as db:
    reason = db.execute("select reason from phi.visits where id = %s", (visit,)).fetchone().reason
    changed = db.execute("update public.visits set reason = %s where id = %s", ("Synthetic migraine", visit)).rowcount


def find(token, table, where, order="id", limit=50):  # on record before it runs, with its values as keyed hashes; what is found is then shown like what was asked for
    disclosure, filter = uuid.uuid4(), json.dumps(where)
    with identity(token) as db:
        db.execute("select audit.find(%s, %s, %s, %s, %s)", (disclosure, table, filter, order, limit))
    with identity(token, disclosure) as db:
        db.execute("select audit.evaluate(%s, %s, %s, %s)", (table, filter, order, limit))
    return disclosure


found = find(casey.access_token, "public.visits", [{"column": "patient_id", "op": "=", "value": str(patient)}], "visited_at desc")
with identity(casey.access_token, found) as db:
    visits = db.execute("select id, reason from phi.visits order by visited_at desc").fetchall()

casey = conn.execute("select * from tenancy.refresh(%s)", (casey.refresh_token,)).fetchone()  # before expires_at; casey.reason says when it is over
# shown to here
assert reason == "Synthetic headache" and changed == 1 and casey.reason is None
assert visits == [(visit, "Synthetic migraine")]
token = casey.access_token


def refused(what, error, *words):
    try:
        what()
    except error as e:
        assert all(w in str(e) for w in words), type(e)
        return
    sys.exit("not refused")


def under(statement, *args, token=token, disclosure=None):
    with identity(token, disclosure) as db:
        return db.execute(statement, args)


# Without an ask the view raises.
refused(lambda: under("select reason from phi.visits"), psycopg.errors.InsufficientPrivilege)
# The other clinic: no session there, no row of it, and its visit is shown to nobody here.
refused(lambda: sign_in("casey", "harbor"), PermissionError, "not accepted")
refused(
    lambda: under("insert into public.visits (tenant_id, id, patient_id, provider_id, reason) values (%s, gen_random_uuid(), %s, tenancy.user_id(), 'Synthetic')", other_tenant, patient),
    psycopg.errors.InsufficientPrivilege,
)
crossing = ask(token, "public.visits", [uuid.UUID(other_visit)])
assert under("select reason from phi.visits", disclosure=crossing).rowcount == 0
assert under("update public.visits set reason = 'Synthetic' where id = %s", other_visit, disclosure=crossing).rowcount == 0
# Claims written by hand are no identity, nor is a token whose clinic was changed.
head, body, mac = token.split(".")
claims = json.dumps(json.loads(base64.urlsafe_b64decode(body + "==")) | {"tid": other_tenant})


def by_hand():
    with identity(token, crossing) as db:
        db.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        db.execute("select reason from phi.visits")


refused(by_hand, psycopg.errors.InvalidAuthorizationSpecification)
forged = ".".join([head, base64.urlsafe_b64encode(claims.encode()).decode().rstrip("="), mac])
refused(lambda: under("select 1", token=forged), PermissionError, "bad_signature: ")

under("select tenancy.sign_out()")
refused(lambda: under("select 1"), PermissionError, "session_revoked: ")
print("read and written; refused across clinics")
