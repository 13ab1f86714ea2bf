-- A closing has what its disposition demands, whoever wrote it.
create or replace function review.check_closing()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare lacks text;
begin
  select string_agg(f.field, ', ' order by f.position) into lacks
  from review.disposition_field f
  where f.disposition = new.disposition
    and f.needed
    and f.alternative is null
    and not exists (
      select from review.disposition_value v
      where v.anomaly_id = new.id
        and v.version = new.closed_version
        and v.disposition = f.disposition
        and v.field = f.field
    );
  if lacks is null
    and exists (
      select from review.disposition_field f where f.disposition = new.disposition and f.alternative is not null
    )
    and not exists (
      select from review.disposition_field f
        left join review.disposition_value v on v.anomaly_id = new.id
          and v.version = new.closed_version
          and v.disposition = f.disposition
          and v.field = f.field
      where f.disposition = new.disposition and f.alternative is not null
      group by f.alternative having bool_and(v.field is not null)
    )
  then
    select string_agg(x.fields, ', or ' order by x.p) into lacks
    from (
      select string_agg(f.field, ' and ' order by f.position) fields, min(f.position) p from review.disposition_field f
      where f.disposition = new.disposition and f.alternative is not null group by f.alternative
    ) x;
  end if;
  if lacks is not null then
    raise exception 'closing as % needs: %', new.disposition, lacks
      using errcode = '22023', hint = 'ward queue dispositions says what each is';
  end if;
  if new.disposition = 'breach' then
    if (
      select coalesce(sum(split_part(x, ':', 2)::bigint), 0)
      from review.disposition_value v, regexp_split_to_table(v.value, ',') x
      where v.anomaly_id = new.id and v.version = new.closed_version and v.field = 'residents'
    ) > (
      select v.value::bigint
      from review.disposition_value v
      where v.anomaly_id = new.id and v.version = new.closed_version and v.field = 'affected'
    ) then
      raise exception 'more residents than individuals affected' using errcode = '22023';
    end if;
    if new.state = 'pending_approval'
      and exists (
        select from review.discovery d
        where d.anomaly_id = new.id
          and d.answers is null
          and not exists (select from review.discovery y where y.answers = d.id)
      )
    then
      raise exception 'another date of discovery waits for a second person: that is decided first'
        using errcode = '55000';
    end if;
  end if;
  return null;
end $$;
