"""What docs/ADOPTING.md shows in Python, with psycopg 3 (Debian: python3-psycopg). TestAdoptingInPython runs it: adopt.py URL PASSWORD-FILE."""
import sys
import uuid

import psycopg

url, password = sys.argv[1], open(sys.argv[2]).read()
patient, look = uuid.uuid4(), uuid.uuid4()
conn = psycopg.connect(url)  # postgresql://ward_app@HOST/clinic


def identify(token, disclosure=None):
    why = conn.execute("select tenancy.begin(%s, %s)", (token, disclosure)).fetchone()[0]
    if why is not None:
        raise PermissionError(why)


with conn.transaction():  # the try is counted before anybody learns how it ended
    ticket = conn.execute("select tenancy.sign_in(%s, %s, %s)", ("casey", password, "cedar")).fetchone()[0]
with conn.transaction():
    token = conn.execute("select access_token from tenancy.signed_in(%s)", (ticket,)).fetchone()[0]
with conn.transaction():  # write: you choose the id, nothing comes back
    identify(token)
    conn.execute("insert into public.patients (tenant_id, id, mrn, first_name, last_name) values (tenancy.tenant_id(), %s, %s, %s, %s)", (patient, "M1", "Synthetic", "Python"))
with conn.transaction():  # ask, and commit
    identify(token)
    conn.execute("select audit.disclose(%s, 'public.patients', %s, 'treatment')", (look, [patient]))
with conn.transaction():  # look
    identify(token, look)
    name = conn.execute("select last_name from phi.patients where id = %s", (patient,)).fetchone()[0]
print(name)

try:
    with conn.transaction():
        identify(token)
        conn.execute("select last_name from phi.patients")
    sys.exit("a patient was shown that nobody asked for")
except psycopg.errors.InsufficientPrivilege:
    pass
