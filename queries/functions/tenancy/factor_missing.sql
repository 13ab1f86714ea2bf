-- What is said to somebody whose password or identity token held, and whose second factor is still 'needed' or was
-- 'wrong' (tenancy.second_factor).
create or replace function tenancy.factor_missing(factor text)
  returns text
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$
  select case factor
    when 'needed' then 'second_factor_needed: a second factor is needed'
    else 'second_factor_wrong: the second factor was not accepted'
  end
$$;
