-- Refuses a closing that lacks what its disposition demands, whoever writes it.
create or replace function review.check_closing()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare lacks text;
begin
  select string_agg(df.field, ', ' order by df.position) into lacks
  from review.disposition_field df
  where df.disposition = new.disposition
    and df.needed
    and df.alternative is null
    and not exists (
      select from review.disposition_value dv
      where dv.anomaly_id = new.id
        and dv.version = new.closed_version
        and dv.disposition = df.disposition
        and dv.field = df.field
    );
  if lacks is null
    and exists (
      select from review.disposition_field df where df.disposition = new.disposition and df.alternative is not null
    )
    and not exists (
      select from review.disposition_field df
        left join review.disposition_value dv on dv.anomaly_id = new.id
          and dv.version = new.closed_version
          and dv.disposition = df.disposition
          and dv.field = df.field
      where df.disposition = new.disposition and df.alternative is not null
      group by df.alternative having bool_and(dv.field is not null)
    )
  then
    select string_agg(alternative.fields, ', or ' order by alternative.position) into lacks
    from (
      select string_agg(df.field, ' and ' order by df.position) as fields, min(df.position) as position
      from review.disposition_field df
      where df.disposition = new.disposition and df.alternative is not null
      group by df.alternative
    ) alternative;
  end if;
  if lacks is not null then
    raise exception 'closing as % needs: %', new.disposition, lacks
      using errcode = '22023', hint = 'ward queue dispositions says what each is';
  end if;
  if new.disposition = 'breach' then
    if (
      select coalesce(sum(split_part(entry, ':', 2)::bigint), 0)
      from review.disposition_value dv, regexp_split_to_table(dv.value, ',') entry
      where dv.anomaly_id = new.id and dv.version = new.closed_version and dv.field = 'residents'
    ) > (
      select dv.value::bigint
      from review.disposition_value dv
      where dv.anomaly_id = new.id and dv.version = new.closed_version and dv.field = 'affected'
    ) then
      raise exception 'the residents of all States are more than the individuals affected'
        using errcode = '22023', hint = 'correct affected or residents';
    end if;
    if new.state = 'pending_approval'
      and exists (
        select from review.discovery proposal
        where proposal.anomaly_id = new.id
          and proposal.answers is null
          and not exists (select from review.discovery answer where answer.answers = proposal.id)
      )
    then
      raise exception
        'another date of discovery is proposed: a second person has to confirm or refuse it before the closing'
        using errcode = '55000', hint = 'ward queue confirm';
    end if;
  end if;
  return null;
end $$;
