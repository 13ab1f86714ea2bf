-- What `ward bench tenancy` measures on, loaded by the superuser: bench.tenants tenants, each with one clinician who is
-- signed in and bench.patients patients; and the naive side: the same rows under a policy on a setting, and an audit
-- table with the indexes that its readers need.
insert into tenancy.tenant (slug, name, region)
select 't' || i, 'Tenant ' || i, 'bench'
from generate_series(1, current_setting('bench.tenants')::int) i;
insert into tenancy.users (slug, name, kind)
select 'u' || i, 'User ' || i, 'human'
from generate_series(1, current_setting('bench.tenants')::int) i;
insert into tenancy.membership (tenant_id, user_id, role)
select t.id, u.id, 'clinician'
from tenancy.tenant t join tenancy.users u on 'u' || substr(t.slug, 2) = u.slug
where t.kind = 'clinic';
insert into tenancy.session (user_id, tenant_id, membership_id, aud, issued, expires_at)
select user_id, tenant_id, id, 'app', array[gen_random_uuid()], clock_timestamp() + interval '2 hours'
from tenancy.membership;
alter table public.patients disable trigger user;
insert into public.patients (tenant_id, id, mrn, first_name, last_name, phone)
select t.id, gen_random_uuid(), 'MRN-' || i, 'First', 'Last' || i, '555-0100'
from tenancy.tenant t, generate_series(1, current_setting('bench.patients')::int) i
where t.kind = 'clinic';
alter table public.patients enable always trigger audit_write;
select tenancy.reindex('public.patients');
create schema naive;
create table naive.patients (like public.patients including defaults including indexes);
insert into naive.patients select * from public.patients;
alter table naive.patients enable row level security;
alter table naive.patients force row level security;
create policy tenant on naive.patients
  using (tenant_id = (select (current_setting('request.jwt.claims', true)::jsonb->>'tid')::uuid));
create table naive.plain (like public.patients including defaults including indexes);
insert into naive.plain select * from public.patients;
create table naive.audit_log (
  id bigint generated always as identity primary key,
  recorded_at timestamptz not null default clock_timestamp(),
  tenant_id uuid not null,
  user_id uuid not null,
  session_id uuid,
  action text not null,
  record_table text not null,
  record_id uuid not null,
  purpose text
);
create index audit_log_tenant on naive.audit_log (tenant_id, recorded_at desc);
create index audit_log_user on naive.audit_log (tenant_id, user_id, recorded_at desc);
grant usage on schema naive to ward_app;
grant select, update on naive.patients, naive.plain to ward_app;
grant insert on naive.audit_log to ward_app;
