-- Fills an input of one clinic, up to 10,000 rows at a time: [{"user": slug, "patient": id, "session": id, "value":
-- text, "at": time, "remove": true}], each with what the input is about. A row that is there is replaced. A value is
-- kept as a keyed hash, of its letters without case and of its digits; it stands in no event and no message. By an
-- administrator; an event of the clinic, with the number of rows.
create or replace function review.supply_input(input text, tenant text, rows jsonb)
  returns int
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  t uuid := tenancy.tenant_named(tenant, 'configure');
  by_user uuid := tenancy.reviewer_of('configure', t);
  n int;
  bad int;
begin
  if not exists (select from review.input i where i.name = supply_input.input) then
    raise exception 'no input "%"', input
      using errcode = '02000', hint = (select string_agg(i.name, ', ' order by i.name) from review.input i);
  end if;
  if jsonb_typeof(rows) is distinct from 'array' or jsonb_array_length(rows) not between 1 and 10000 then
    raise exception 'rows are a list of 1 to 10,000' using errcode = '22023';
  end if;
  select min(x.n) into bad
  from jsonb_array_elements(rows) with ordinality x(r, n)
  where jsonb_typeof(x.r) is distinct from 'object'
    or x.r ? 'user' and not exists (select from tenancy.users u where u.slug = x.r->>'user')
    or case
      when supply_input.input = 'person_link' then not (x.r ? 'user' and x.r ? 'patient')
      else num_nonnulls(x.r->'user', x.r->'patient', x.r->'session') <> 1
    end;
  if bad is not null then
    raise exception 'row % does not name the user, patient or session that % is about', bad, input
      using errcode = '22023';
  end if;
  n := jsonb_array_length(rows);
  perform audit.write(t, 'configure', 'ok', jsonb_build_object(
    'what', 'input supplied', 'input', input, 'rows', n,
    'removed', (select count(*) from jsonb_array_elements(rows) x where x @> '{"remove": true}')
  )::text);
  begin
    if input = 'person_link' then
      delete from review.person_link l
      using jsonb_array_elements(rows) x join tenancy.users u on u.slug = x->>'user'
      where l.tenant_id = t and l.user_id = u.id and l.patient_id = (x->>'patient')::uuid and x @> '{"remove": true}';
      insert into review.person_link (tenant_id, user_id, patient_id)
      select distinct t, u.id, (x->>'patient')::uuid
      from jsonb_array_elements(rows) x join tenancy.users u on u.slug = x->>'user'
      where not x @> '{"remove": true}'
      on conflict do nothing;  -- what is said again was known before
      return n;
    end if;
    delete from review.trait l
    using jsonb_array_elements(rows) x left join tenancy.users u on u.slug = x->>'user'
    where l.tenant_id = t
      and l.input = supply_input.input
      and coalesce(l.user_id, l.patient_id, l.session_id)
        = coalesce(u.id, (x->>'patient')::uuid, (x->>'session')::uuid);
    insert into review.trait (input, tenant_id, user_id, patient_id, session_id, key, at)
    select supply_input.input, t, u.id, (x->>'patient')::uuid, (x->>'session')::uuid,
      decode(
        tenancy.fingerprint(
          'input|' || supply_input.input || '|' || regexp_replace(lower(x->>'value'), '[^[:alnum:]]', '', 'g')
        ),
        'hex'
      ),
      (x->>'at')::timestamptz
    from jsonb_array_elements(rows) x left join tenancy.users u on u.slug = x->>'user'
    where not x @> '{"remove": true}';
  exception
    -- their messages would repeat the row
    when data_exception then
      raise exception 'a row of % has a value that is no id or time', input using errcode = '22023';
    when check_violation then
      raise exception 'a row of % lacks what it needs: value or at', input using errcode = '22023';
    when unique_violation then raise exception '% names somebody twice', input using errcode = '22023';
  end;
  return n;
end $$;

grant execute on function review.supply_input to ward_reviewer;
