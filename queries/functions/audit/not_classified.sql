-- Says that the ids that were asked for up to a batch are not classified yet; null if they are.
create or replace function audit.not_classified(batch bigint)
  returns text
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select 'the ids that were asked for in this month are not classified yet'
  from audit.classified c
  where c.batch < not_classified.batch
$$;
