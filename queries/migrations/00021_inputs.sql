-- What some rules need and only the clinic can say: which user is which patient, and traits of patients, users and sessions. Ids, times, and keyed hashes that
-- can be compared and not read; no PHI. An input that nobody has declared is one that no rule may rest on: such a rule is NOT ENABLED (review.input).

-- +goose Up
set local role ward_owner;

-- A patient record of a user's, or of their family's.
create table review.person_link (
  tenant_id  uuid not null references tenancy.tenant,
  user_id    uuid not null references tenancy.users,
  patient_id uuid not null,
  known_at   timestamptz not null default clock_timestamp(),
  primary key (tenant_id, user_id, patient_id)
);
create index person_link_patient on review.person_link (tenant_id, patient_id);

-- surname, address_hash: of a user or a patient, key is the keyed hash. vip: of a patient. deceased_at: of a patient, at is when. source_ip: of a session, key is the keyed hash.
create table review.trait (
  input      text not null references review.input,
  tenant_id  uuid not null references tenancy.tenant,
  user_id    uuid references tenancy.users,
  patient_id uuid,
  session_id uuid,
  key        bytea check (length(key) = 32),
  at         timestamptz,
  known_at   timestamptz not null default clock_timestamp(),
  constraint one_holder check (num_nonnulls(user_id, patient_id, session_id) = 1),
  constraint of_its_kind check (case input when 'surname' then key is not null and session_id is null when 'address_hash' then key is not null and session_id is null
    when 'vip' then patient_id is not null when 'deceased_at' then patient_id is not null and at is not null when 'source_ip' then session_id is not null and key is not null else false end)
);
create unique index trait_holder on review.trait (tenant_id, input, coalesce(user_id, patient_id, session_id));
create index trait_key on review.trait (tenant_id, input, key);
create index trait_user on review.trait (user_id) where user_id is not null;
create index trait_patient on review.trait (patient_id) where patient_id is not null;
create index trait_session on review.trait (session_id) where session_id is not null;
grant select on review.person_link, review.trait to ward_worker;
-- which role may do what, for the rule about those who did more
grant select on tenancy.permission, tenancy.phi_table to ward_worker;

-- +goose StatementBegin
-- Says that this installation fills an input, or no longer does. The rules that need it are enabled, or NOT ENABLED, from then on; one that is enabled anew reads from the first
-- event on. By an administrator over all clinics; an event.
create function review.declare_input(input text, ready boolean, reason text) returns void language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare by_user uuid := tenancy.reviewer_of('configure', null);
begin
  if ready is null or not exists (select from review.input i where i.name = declare_input.input) then
    raise exception 'no input "%"', input using errcode = '02000', hint = (select string_agg(i.name, ', ' order by i.name) from review.input i);
  end if;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object('what', 'input ' || case when ready then 'declared' else 'withdrawn' end, 'input', input, 'reason', review.need_reason(reason))::text);
  update review.input i set ready = declare_input.ready where i.name = declare_input.input;
  update review.rule r set missing = case when ready then array_remove(r.missing, declare_input.input) else array_append(array_remove(r.missing, declare_input.input), declare_input.input) end, known_since = clock_timestamp()
    where r.front_matter -> 'requires' ? declare_input.input;
end $$;

-- Fills an input of one clinic, up to 10,000 rows at a time: [{"user": slug, "patient": id, "session": id, "value": text, "at": time, "remove": true}], each with what the input is about. A
-- row that is there is replaced. A value is kept as a keyed hash, of its letters without case and of its digits; it stands in no event and no message. By an administrator; an event of the clinic, with the number of rows.
create function review.supply_input(input text, tenant text, rows jsonb) returns int language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare t uuid := tenancy.tenant_named(tenant, 'configure'); by_user uuid := tenancy.reviewer_of('configure', t); n int; bad int;
begin
  if not exists (select from review.input i where i.name = supply_input.input) then
    raise exception 'no input "%"', input using errcode = '02000', hint = (select string_agg(i.name, ', ' order by i.name) from review.input i);
  end if;
  if jsonb_typeof(rows) is distinct from 'array' or jsonb_array_length(rows) not between 1 and 10000 then raise exception 'rows are a list of 1 to 10,000' using errcode = '22023'; end if;
  select min(x.n) into bad from jsonb_array_elements(rows) with ordinality x(r, n) where jsonb_typeof(x.r) is distinct from 'object' or x.r ? 'user' and not exists (select from tenancy.users u where u.slug = x.r ->> 'user')
    or case when supply_input.input = 'person_link' then not (x.r ? 'user' and x.r ? 'patient') else num_nonnulls(x.r -> 'user', x.r -> 'patient', x.r -> 'session') <> 1 end;
  if bad is not null then raise exception 'row % does not name the user, patient or session that % is about', bad, input using errcode = '22023'; end if;
  n := jsonb_array_length(rows);
  perform audit.write(t, 'configure', 'ok', jsonb_build_object('what', 'input supplied', 'input', input, 'rows', n, 'removed', (select count(*) from jsonb_array_elements(rows) x where x @> '{"remove": true}'))::text);
  begin
  if input = 'person_link' then
    delete from review.person_link l using jsonb_array_elements(rows) x join tenancy.users u on u.slug = x ->> 'user' where l.tenant_id = t and l.user_id = u.id and l.patient_id = (x ->> 'patient')::uuid and x @> '{"remove": true}';
    insert into review.person_link (tenant_id, user_id, patient_id) select distinct t, u.id, (x ->> 'patient')::uuid from jsonb_array_elements(rows) x join tenancy.users u on u.slug = x ->> 'user' where not x @> '{"remove": true}'
      on conflict do nothing;  -- what is said again was known before
    return n;
  end if;
  delete from review.trait l using jsonb_array_elements(rows) x left join tenancy.users u on u.slug = x ->> 'user'
    where l.tenant_id = t and l.input = supply_input.input and coalesce(l.user_id, l.patient_id, l.session_id) = coalesce(u.id, (x ->> 'patient')::uuid, (x ->> 'session')::uuid);
  insert into review.trait (input, tenant_id, user_id, patient_id, session_id, key, at)
    select supply_input.input, t, u.id, (x ->> 'patient')::uuid, (x ->> 'session')::uuid,
      decode(tenancy.fingerprint('input|' || supply_input.input || '|' || regexp_replace(lower(x ->> 'value'), '[^[:alnum:]]', '', 'g')), 'hex'), (x ->> 'at')::timestamptz
    from jsonb_array_elements(rows) x left join tenancy.users u on u.slug = x ->> 'user' where not x @> '{"remove": true}';
  exception
  -- their messages would repeat the row
  when data_exception then raise exception 'a row of % has a value that is no id or time', input using errcode = '22023';
  when check_violation then raise exception 'a row of % lacks what it needs: value or at', input using errcode = '22023';
  when unique_violation then raise exception '% names somebody twice', input using errcode = '22023';
  end;
  return n;
end $$;
-- +goose StatementEnd
revoke execute on function review.declare_input, review.supply_input from public;
grant execute on function review.declare_input, review.supply_input to ward_reviewer;
reset role;
