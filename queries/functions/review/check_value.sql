-- Refuses an answer of a closing that is not what its field asks for.
create or replace function review.check_value()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  field review.disposition_field;
  anomaly review.anomaly;
  fits boolean;
  answer text := new.value;
begin
  select * into field from review.disposition_field df where df.disposition = new.disposition and df.field = new.field;
  if not found then return new; end if;  -- the foreign key says so
  select * into anomaly from review.anomaly a where a.id = new.anomaly_id;
  fits := case field.kind
    when 'text' then length(btrim(answer)) between 4 and 2000
    when 'choice' then answer = any (field.choices)
    when 'count' then answer ~ '^[1-9][0-9]{0,8}$'
    when 'past' then answer ~ '^\d{4}-\d\d-\d\d$' and answer::date between '2000-01-01' and core.today()
    when 'future' then answer ~ '^\d{4}-\d\d-\d\d$' and answer::date between core.today() + 1 and core.today() + 366
    when 'discovery' then answer = anomaly.discovered_on::text
    when 'states' then answer ~ '^[A-Z]{2}:[0-9]{1,9}(,[A-Z]{2}:[0-9]{1,9})*$'
      and not exists (select from regexp_split_to_table(answer, ',') entry group by left(entry, 2) having count(*) > 1)
    when 'assessment' then exists (
      select from review.assessment assessed
      where assessed.id::text = answer
        and assessed.anomaly_id = anomaly.id
        and assessed.outcome = case new.disposition when 'breach' then 'breach' else 'low_probability' end
        and not exists (
          select from review.assessment later where later.anomaly_id = anomaly.id and later.id > assessed.id
        )
    )
    when 'anomaly' then exists (
      select from review.anomaly a
      where a.id::text = answer and a.tenant_id = anomaly.tenant_id and a.id <> anomaly.id and a.state <> 'merged'
    )
    when 'manifest' then exists (
      select from tenancy.service_permission sp
      where sp.user_id = anomaly.actor_id
        and (sp.tenant_id is null or sp.tenant_id = anomaly.tenant_id)
        and sp.action || ' ' || sp.record_table = answer
    )
    when 'row' then case
      when answer ~ '^event:[0-9]{1,18}$' then exists (
        select from audit.event e where e.event_id = substr(answer, 7)::bigint and e.tenant_id = anomaly.tenant_id
      )
      when answer ~ '^[a-z_0-9.]+/[0-9a-f-]{36}$' then exists (
        select from tenancy.record rec
        where rec.record_id = split_part(answer, '/', 2)::uuid
          and rec.record_table = split_part(answer, '/', 1)
          and rec.tenant_id = anomaly.tenant_id
      )
    end
  end;
  if not coalesce(fits, false) then
    raise exception '%',
      case field.kind
        when 'text' then format('%s needs 4 to 2,000 characters: %s', field.field, field.note)
        when 'choice' then format('%s must be one of these: %s', field.field, array_to_string(field.choices, ', '))
        when 'count' then format('%s must be a whole number of at least 1', field.field)
        when 'past' then format('%s must be a day like 2026-01-31 that is not in the future', field.field)
        when 'future'
        then format('%s must be a day like 2026-01-31, tomorrow at the earliest, within a year', field.field)
        when 'discovery' then format(
          '%s must be %s: another date of discovery is proposed first, and confirmed by a second person', field.field,
          anomaly.discovered_on
        )
        when 'states' then format('%s must list each State once with its residents, as CA:12,NV:3', field.field)
        when 'assessment' then format(
          '%s must be the newest four-factor assessment of this anomaly, and say %s', field.field,
          case new.disposition when 'breach' then 'breach' else 'low_probability' end
        )
        when 'anomaly'
        then format('%s must be another anomaly of the same clinic that is not merged itself', field.field)
        when 'manifest' then format('%s must be an entry that is declared for this service account', field.field)
        else format('%s must be a row of this clinic: "public.appointments/ID" or "event:NUMBER"', field.field)
      end
      using errcode = '22023';
  end if;
  return new;
end $$;
