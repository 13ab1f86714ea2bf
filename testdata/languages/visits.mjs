// What docs/ADOPTING.md shows in JavaScript, with pg (npm), and what the database then refuses. languages.sh runs it: node visits.mjs URL, with PASSWORD, OTHER_TENANT and OTHER_VISIT in
// the environment: a clinic where casey does not work, and a visit there.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import pg from "pg";

const url = process.argv[2];
const { PASSWORD: password, OTHER_TENANT: otherTenant, OTHER_VISIT: otherVisit } = process.env;
const patient = randomUUID();

// shown from here
const pool = new pg.Pool({ connectionString: url, max: 2 }); // postgres://ward_app@HOST/clinic

// One transaction under somebody's identity. A refusal is committed like anything else, so that it is on record. The connection is given back with nothing of theirs in it, or closed.
async function as(token, disclosure, work) {
  const client = await pool.connect();
  try {
    await client.query("begin");
    const why = (await client.query("select tenancy.begin($1, $2) as why", [token, disclosure])).rows[0].why;
    const result = why === null ? await work(client) : null;
    await client.query("commit");
    if (why !== null) throw new Error(why);
    return result;
  } catch (err) {
    await client.query("rollback").catch(() => {});
    throw err;
  } finally {
    await client.query("discard all").then(() => client.release(), (err) => client.release(err));
  }
}

// The first row of a statement that needs no identity. It is committed when its answer is here.
async function once(text, values) {
  return (await pool.query(text, values)).rows[0];
}

// Sign in: the try is counted before anybody learns how it ended.
async function signIn(user, tenant) {
  const { ticket } = await once("select tenancy.sign_in($1, $2, $3) as ticket", [user, password, tenant]);
  const signed = await once("select * from tenancy.signed_in($1)", [ticket]);
  if (signed.reason !== null) throw new Error(signed.reason);
  return signed; // access_token, refresh_token, expires_at, session_id
}

// Ask, and commit; then a look under that disclosure shows the records, for 30 seconds.
async function ask(token, table, ids) {
  const disclosure = randomUUID();
  const { why } = await once("select tenancy.ask($1, $2, $3, $4, 'treatment') as why", [token, disclosure, table, ids]);
  if (why !== null) throw new Error(why);
  return disclosure;
}

let casey = await signIn("casey", "cedar");
const id = randomUUID(); // you choose it: nothing comes back from an insert
await as(casey.access_token, null, (db) =>
  db.query(
    "insert into public.visits (tenant_id, id, patient_id, provider_id, reason) values (tenancy.tenant_id(), $1, $2, tenancy.user_id(), $3)",
    [id, patient, "Synthetic headache"],
  ),
);

const look = await ask(casey.access_token, "public.visits", [id]);
const { rows } = await as(casey.access_token, look, (db) => db.query("select reason from phi.visits where id = $1", [id]));
const { rowCount } = await as(casey.access_token, look, (db) => db.query("update public.visits set reason = $2 where id = $1", [id, "Synthetic migraine"]));

// Search: on record before it runs, with its values as keyed hashes; what is found is then shown like what was asked for.
async function find(token, table, where, order = "id", limit = 50) {
  const disclosure = randomUUID();
  const filter = JSON.stringify(where);
  await as(token, null, (db) => db.query("select audit.find($1, $2, $3, $4, $5)", [disclosure, table, filter, order, limit]));
  await as(token, disclosure, (db) => db.query("select audit.evaluate($1, $2, $3, $4)", [table, filter, order, limit]));
  return disclosure;
}
const found = await find(casey.access_token, "public.visits", [{ column: "patient_id", op: "=", value: patient }], "visited_at desc");
const { rows: visits } = await as(casey.access_token, found, (db) => db.query("select id, reason from phi.visits order by visited_at desc"));

casey = await once("select * from tenancy.refresh($1)", [casey.refresh_token]); // before expires_at; casey.reason says when it is over
// shown to here
assert.deepEqual(rows, [{ reason: "Synthetic headache" }]);
assert.equal(rowCount, 1);
assert.deepEqual(visits, [{ id, reason: "Synthetic migraine" }]);
assert.equal(casey.reason, null);
const token = casey.access_token;

// Nothing of the last user is left in what the pool hands out next.
const left = await once("select current_setting('request.jwt.claims', true) as claims, current_setting('ward.disclosure', true) as disclosure");
assert.ok(!left.claims && !left.disclosure);

// What docs/ADOPTING.md says about errors.
const insert = "insert into public.visits (tenant_id, id, patient_id, provider_id, reason) values (tenancy.tenant_id(), gen_random_uuid(), $1, tenancy.user_id(), 'Synthetic')";
for (const [work, code, message] of [
  [() => as(token, null, (db) => db.query("select reason from phi.visits")), "42501", /^no committed disclosure for public.visits$/],
  [() => as(token, randomUUID(), (db) => db.query("select reason from phi.visits")), "42501", /^no committed disclosure for public.visits$/],
  [() => as(token, null, (db) => db.query(insert + " returning id", [patient])), "42501", /^no committed disclosure for public.visits$/],
  [() => as(token, null, (db) => db.query(insert + " returning reason", [patient])), "42501", /^permission denied for table visits$/],
  [() => as(token, null, (db) => db.query("select reason from public.visits")), "42501", /^permission denied for table visits$/],
  [() => once("select reason from phi.visits"), "28000", /^no identity: /],
  [() => once(insert, [patient]), "42501", /^new row violates row-level security policy/],
]) {
  await assert.rejects(work(), { code, message });
}
// The other clinic: no session there, no row of it, and its visit is shown to nobody here.
await assert.rejects(signIn("casey", "harbor"), /not accepted/);
await assert.rejects(
  as(token, null, (db) => db.query("insert into public.visits (tenant_id, id, patient_id, provider_id, reason) values ($1, gen_random_uuid(), $2, tenancy.user_id(), 'Synthetic')", [otherTenant, patient])),
  { code: "42501" },
);
const crossing = await ask(token, "public.visits", [otherVisit]);
assert.equal((await as(token, crossing, (db) => db.query("select reason from phi.visits"))).rowCount, 0);
assert.equal((await as(token, crossing, (db) => db.query("update public.visits set reason = 'Synthetic' where id = $1", [otherVisit]))).rowCount, 0);
// Claims written by hand are no identity, nor is a token whose clinic was changed.
const [head, body, mac] = token.split(".");
const claims = { ...JSON.parse(Buffer.from(body, "base64url")), tid: otherTenant };
await assert.rejects(
  as(token, crossing, async (db) => {
    await db.query("select set_config('request.jwt.claims', $1, true)", [JSON.stringify(claims)]);
    return db.query("select reason from phi.visits");
  }),
  { code: "28000" },
);
const forged = [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), mac].join(".");
await assert.rejects(as(forged, null, (db) => db.query("select 1")), /^Error: bad_signature: /);

await as(token, null, (db) => db.query("select tenancy.sign_out()"));
await assert.rejects(as(token, null, (db) => db.query("select 1")), /^Error: session_revoked: /);
await pool.end();
console.log("read and written; refused across clinics");
