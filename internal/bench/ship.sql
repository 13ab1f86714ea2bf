-- Events as the application writes them, of real patients, spread over the clinics: $1 of them.
insert into audit.event (
  tenant_id, user_id, actor_kind, session_id, membership_id, disclosure_id, action, record_table, record_id, subject_id,
  purpose, detail
)
select p.tenant_id, s.user_id, 'human', s.session_id, s.membership_id, gen_random_uuid(), 'view', 'public.patients',
  p.id, p.id, 'treatment', '{"bench": true}'
from generate_series(1, $1::int) n,
  lateral (
    select * from tenancy.session where tenant_id is not null offset (n + floor(random() * 10)::int) % 10 limit 1
  ) s,
  lateral (
    select x.tenant_id, x.id
    from public.patients x
    where x.tenant_id = s.tenant_id and x.id >= gen_random_uuid()
    order by x.id limit 1
  ) p
