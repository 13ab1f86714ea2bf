-- One answer of a closing is what its field asks for.
create or replace function review.check_value()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  f review.disposition_field;
  a review.anomaly;
  ok boolean;
  v text := new.value;
begin
  select * into f from review.disposition_field x where x.disposition = new.disposition and x.field = new.field;
  if not found then return new; end if;  -- the foreign key says so
  select * into a from review.anomaly x where x.id = new.anomaly_id;
  ok := case f.kind
    when 'text' then length(btrim(v)) between 4 and 2000
    when 'choice' then v = any (f.choices)
    when 'count' then v ~ '^[1-9][0-9]{0,8}$'
    when 'past' then v ~ '^\d{4}-\d\d-\d\d$' and v::date between '2000-01-01' and core.today()
    when 'future' then v ~ '^\d{4}-\d\d-\d\d$' and v::date between core.today() + 1 and core.today() + 366
    when 'discovery' then v = a.discovered_on::text
    when 'states' then v ~ '^[A-Z]{2}:[0-9]{1,9}(,[A-Z]{2}:[0-9]{1,9})*$'
      and not exists (select from regexp_split_to_table(v, ',') x group by left(x, 2) having count(*) > 1)
    when 'assessment' then exists (
      select from review.assessment s
      where s.id::text = v
        and s.anomaly_id = a.id
        and s.outcome = case new.disposition when 'breach' then 'breach' else 'low_probability' end
        and not exists (select from review.assessment later where later.anomaly_id = a.id and later.id > s.id)
    )
    when 'anomaly' then exists (
      select from review.anomaly x
      where x.id::text = v and x.tenant_id = a.tenant_id and x.id <> a.id and x.state <> 'merged'
    )
    when 'manifest' then exists (
      select from tenancy.service_permission p
      where p.user_id = a.actor_id
        and (p.tenant_id is null or p.tenant_id = a.tenant_id)
        and p.action || ' ' || p.record_table = v
    )
    when 'row' then case
      when v ~ '^event:[0-9]{1,18}$'
      then exists (select from audit.event e where e.event_id = substr(v, 7)::bigint and e.tenant_id = a.tenant_id)
      when v ~ '^[a-z_0-9.]+/[0-9a-f-]{36}$' then exists (
        select from tenancy.record r
        where r.record_id = split_part(v, '/', 2)::uuid
          and r.record_table = split_part(v, '/', 1)
          and r.tenant_id = a.tenant_id
      )
    end
  end;
  if not coalesce(ok, false) then
    raise exception '%',
      format('%s: %s', f.field, case f.kind
        when 'text' then 'at least four characters are needed: ' || f.note
        when 'choice' then 'one of ' || array_to_string(f.choices, ', ')
        when 'count' then 'a number from 1 is needed'
        when 'past' then 'a day like 2026-01-31 is needed, not in the future'
        when 'future' then 'a day like 2026-01-31 is needed, within a year from tomorrow on'
        when 'discovery' then 'it is ' || a.discovered_on || '; another one is proposed and confirmed first'
        when 'states' then 'write the residents of each State once, as CA:12,NV:3'
        when 'assessment' then 'the newest four-factor assessment must say '
          || case new.disposition when 'breach' then 'breach' else 'low_probability' end
        when 'anomaly' then 'another anomaly of the same clinic is needed, one that is not merged itself'
        when 'manifest' then 'no such entry is declared for this service account'
        else 'no such row at this clinic: "public.appointments/ID" or "event:NUMBER"'
      end)
      using errcode = '22023';
  end if;
  return new;
end $$;
