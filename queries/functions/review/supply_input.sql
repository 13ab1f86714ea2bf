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
  clinic uuid := tenancy.tenant_named(tenant, 'configure');
  number int;
  bad int;
begin
  perform tenancy.reviewer_of('configure', clinic);
  if not exists (select from review.input i where i.name = supply_input.input) then
    raise exception 'there is no input "%"', input using errcode = '02000',
        hint = 'the inputs are ' || (select string_agg(i.name, ', ' order by i.name) from review.input i);
  end if;
  if jsonb_typeof(rows) is distinct from 'array' or jsonb_array_length(rows) not between 1 and 10000 then
    raise exception 'the rows of an input are a JSON list of 1 to 10,000 objects' using errcode = '22023';
  end if;
  select min(line.place) into bad
  from jsonb_array_elements(rows) with ordinality line(item, place)
  where jsonb_typeof(line.item) is distinct from 'object'
    or line.item ? 'user' and not exists (select from tenancy.users u where u.slug = line.item->>'user')
    or case
      when supply_input.input = 'person_link' then not (line.item ? 'user' and line.item ? 'patient')
      else num_nonnulls(line.item->'user', line.item->'patient', line.item->'session') <> 1
    end;
  if bad is not null then
    raise exception 'row % does not name the user, patient or session that % is about', bad, input
      using errcode = '22023';
  end if;
  number := jsonb_array_length(rows);
  perform audit.write(clinic, 'configure', 'ok', jsonb_build_object(
    'what', 'input supplied', 'input', input, 'rows', number,
    'removed', (select count(*) from jsonb_array_elements(rows) item where item @> '{"remove": true}')
  )::text);
  begin
    if input = 'person_link' then
      delete from review.person_link pl
      using jsonb_array_elements(rows) item join tenancy.users u on u.slug = item->>'user'
      where pl.tenant_id = clinic
        and pl.user_id = u.id
        and pl.patient_id = (item->>'patient')::uuid
        and item @> '{"remove": true}';
      insert into review.person_link (tenant_id, user_id, patient_id)
      select distinct clinic, u.id, (item->>'patient')::uuid
      from jsonb_array_elements(rows) item join tenancy.users u on u.slug = item->>'user'
      where not item @> '{"remove": true}'
      on conflict do nothing;  -- what is said again was known before
      return number;
    end if;
    delete from review.trait trait
    using jsonb_array_elements(rows) item left join tenancy.users u on u.slug = item->>'user'
    where trait.tenant_id = clinic
      and trait.input = supply_input.input
      and coalesce(trait.user_id, trait.patient_id, trait.session_id)
        = coalesce(u.id, (item->>'patient')::uuid, (item->>'session')::uuid);
    insert into review.trait (input, tenant_id, user_id, patient_id, session_id, key, at)
    select supply_input.input, clinic, u.id, (item->>'patient')::uuid, (item->>'session')::uuid,
      decode(
        tenancy.fingerprint(
          'input|' || supply_input.input || '|' || regexp_replace(lower(item->>'value'), '[^[:alnum:]]', '', 'g')
        ),
        'hex'
      ),
      (item->>'at')::timestamptz
    from jsonb_array_elements(rows) item left join tenancy.users u on u.slug = item->>'user'
    where not item @> '{"remove": true}';
  exception
    -- their messages would repeat the row
    when data_exception then
      raise exception 'a row of % has a value that is no id or time', input using errcode = '22023';
    when check_violation then
      raise exception 'a row of % lacks what it needs: value or at', input using errcode = '22023';
    when unique_violation then
      raise exception 'the rows of % name a user, patient or session twice', input using errcode = '22023';
  end;
  return number;
end $$;

grant execute on function review.supply_input to ward_reviewer;
