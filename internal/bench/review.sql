-- What the benchmark of the review needs beside the clinics: staff, and visits that explain most of what they do.
create schema bench;
create table bench.member (i bigint primary key, tenant_id uuid, user_id uuid, membership_id uuid);
create table bench.patient (tenant_id uuid, i bigint, id uuid, primary key (tenant_id, i));
insert into tenancy.users (slug, name, kind)
select 'bench-' || t.slug || '-' || n, 'person', 'human'
from tenancy.tenant t, generate_series(1, 20) n
where t.kind = 'clinic';
insert into tenancy.membership (tenant_id, user_id, role, started_at)
select t.id, u.id, (array['clinician', 'nurse', 'front_desk'])[1 + abs(hashtext(u.slug)) % 3], now() - interval '1 year'
from tenancy.tenant t join tenancy.users u on u.slug like 'bench-' || t.slug || '-%' where t.kind = 'clinic';
insert into bench.member
select row_number() over (order by m.id) - 1, m.tenant_id, m.user_id, m.id
from tenancy.membership m join tenancy.users u on u.id = m.user_id
where u.slug like 'bench-%';
insert into bench.patient
select p.tenant_id, row_number() over (partition by p.tenant_id order by p.id) - 1, p.id
from public.patients p;
select audit.ensure_month((current_date - n * interval '1 month')::date) from generate_series(0, 5) n;
insert into tenancy.relationship (record_table, record_id, kind, tenant_id, user_id, patient_id, from_at, known_at)
select 'bench', gen_random_uuid(), 'appointment', m.tenant_id, m.user_id, p.id, now() - interval '5 days',
  now() - interval '20 days'
from bench.member m join bench.patient p using (tenant_id)
where (m.i * 31 + p.i) % 20 > 0;

-- Events of a stretch of time, sealed in batches of a thousand; old ones are examined already, and come with the visits
-- of then. The hashes are nobody's: the rules do not look at them.
create function bench.happen(n bigint, first_batch bigint, first timestamptz, last timestamptz, examined boolean)
  returns void
  language sql
as $$
  with e as (
    insert into audit.event (
      recorded_at, tenant_id, user_id, actor_kind, membership_id, action, outcome, record_table, record_id, subject_id,
      purpose, source
    )
    select first + (x::float8 / n) * (last - first), m.tenant_id, m.user_id, 'human', m.membership_id, 'view', 'ok',
      'public.patients', p.id, p.id, 'treatment', 'simulation'
    from generate_series(1, n) x
      join bench.member m on m.i = abs(hashint8(x * 7 + first_batch)) % (select count(*) from bench.member)
      join bench.patient p on p.tenant_id = m.tenant_id
        and p.i = abs(hashint8(x * 13 + first_batch)) % (select max(i) + 1 from bench.patient)
    returning event_id, recorded_at, tenant_id, user_id, subject_id
  ),
  placed as (
    insert into audit.chain (tenant_id, seq, event_id, recorded_at, batch, sealed_at, nonce, hash)
    select e.tenant_id, 1000000000 + e.event_id, e.event_id, e.recorded_at,
      first_batch + (row_number() over (order by e.recorded_at) - 1) / 1000,
      last, '\x00000000000000000000000000000000', sha256('')
    from e
  ),
  seen as (
    insert into review.explanation (
      event_id, filter, filter_version, tenant_id, user_id, patient_id, at, reason, valid_until, run_id
    )
    select e.event_id, 'F01-appointment', 1, e.tenant_id, e.user_id, e.subject_id, e.recorded_at, 'appointment',
      e.recorded_at + interval '7 days', gen_random_uuid()
    from e
    where examined
  )
  insert into tenancy.relationship (record_table, record_id, kind, tenant_id, user_id, patient_id, from_at, known_at)
  select 'bench', gen_random_uuid(), 'appointment', e.tenant_id, e.user_id, e.subject_id, e.recorded_at,
    e.recorded_at - interval '7 days'
  from e
  where examined and e.event_id % 10 = 0
$$;
