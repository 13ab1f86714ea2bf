-- What some rules need and only the clinic can say: which user is which patient, and traits of patients, users and sessions. Ids, times, and keyed hashes that
-- can be compared and not read; no PHI. An input that nobody has declared is one that no rule may rest on: such a rule is NOT ENABLED.

-- +goose Up
set local role ward_owner;

-- A person who is a user and, in a clinic, a patient.
create table review.person_link (
  tenant_id  uuid not null references tenancy.tenant,
  user_id    uuid not null references tenancy.users,
  patient_id uuid not null,
  known_at   timestamptz not null default clock_timestamp(),
  primary key (tenant_id, user_id, patient_id)
);
create index person_link_patient on review.person_link (tenant_id, patient_id);

create table review.trait (
  input      text not null references review.input,
  tenant_id  uuid not null references tenancy.tenant,
  user_id    uuid references tenancy.users,
  patient_id uuid,
  session_id uuid,
  key        bytea check (length(key) = 32),
  at         timestamptz,
  check (num_nonnulls(user_id, patient_id, session_id) = 1)
);
create unique index trait_holder on review.trait (tenant_id, input, coalesce(user_id, patient_id, session_id));
grant select on review.person_link, review.trait to ward_worker;
-- which role may do what, for the rule about those who did more
grant select on tenancy.permission to ward_worker;
reset role;
