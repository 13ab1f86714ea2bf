-- A customer's own table, by the login that owns it. What ward asks for: the key is exactly (tenant_id, id), with random ids; a patient's column. `ward protect` names
-- everything else that stands in the way. Run by adopt.sh; docs/ADOPTING.md tells the story.
\set ON_ERROR_STOP on

create table public.visits (
  tenant_id   uuid not null references tenancy.tenant,
  id          uuid not null,
  patient_id  uuid not null,
  provider_id uuid not null,
  visited_at  timestamptz not null default clock_timestamp(),
  reason      text not null,
  primary key (tenant_id, id)
);
