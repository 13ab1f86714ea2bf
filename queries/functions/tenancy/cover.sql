-- Writes what the application's roster says: until to_at, who covers sees to the patients of the one covered. Both are
-- of the session's clinic. It explains accesses only where somebody else than the one who covers has said it, so it is
-- open to whoever works there; and it is an event.
create or replace function tenancy.cover(id uuid, covering uuid, covered uuid, from_at timestamptz, to_at timestamptz)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  clinic uuid := tenancy.tenant_id();
  event_id bigint;
begin
  if clinic is null then
    raise exception 'no identity: tenancy.begin(token) comes first' using errcode = '28000';
  end if;
  if not exists (
    select from tenancy.membership m
    where m.tenant_id = clinic and m.user_id = tenancy.user_id() and m.patient_id is null and m.terminated_at is null
  ) then
    raise exception 'a portal identity may not write the roster: sign in as somebody who works at this clinic'
      using errcode = '42501';
  end if;
  if (
    select count(distinct m.user_id)
    from tenancy.membership m
    where m.tenant_id = clinic and m.user_id in (covering, covered) and m.patient_id is null and m.terminated_at is null
  ) < 2 then
    raise exception 'the person who covers and the one covered must be two people who work at this clinic'
      using errcode = '23503';
  end if;
  event_id := audit.write(clinic, 'configure', 'ok', detail => jsonb_build_object(
    'what', 'coverage', 'covering', covering, 'covered', covered, 'from', from_at, 'to', to_at
  )::text, purpose => 'operations');
  insert into tenancy.coverage (id, tenant_id, user_id, covered_id, from_at, to_at, author_id, event_id)
  values (cover.id, clinic, covering, covered, cover.from_at, cover.to_at, tenancy.user_id(), event_id);
end $$;

grant execute on function tenancy.cover to ward_app;
