-- That the asked ids up to a batch are not classified yet, or null.
create or replace function audit.not_classified(batch bigint)
  returns text
  language sql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
  select 'the asked ids of this month are not classified yet'
  from audit.classified c
  where c.batch < not_classified.batch
$$;
