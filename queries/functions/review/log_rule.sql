-- Keeps the history of rules: each version, text and set of missing inputs.
create or replace function review.log_rule()
  returns trigger
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT'
    or (new.version, new.content_hash, new.missing) is distinct from (old.version, old.content_hash, old.missing)
  then
    insert into review.rule_log (rule_id, version, content_hash, missing, front_matter)
    values (new.id, new.version, new.content_hash, new.missing, new.front_matter);
  end if;
  return null;
end $$;
