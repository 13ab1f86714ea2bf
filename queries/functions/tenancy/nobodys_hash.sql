-- A hash that no password has, as dear to compare with as a real one.
create or replace function tenancy.nobodys_hash()
  returns text
  language sql immutable
  set search_path = pg_catalog, pg_temp
as $$ select '$2a$10$d5XXf/LK7TKu0XcxcvWVGu8jNulaaM9pDkar3Scbfg1r2u.PUKIRe' $$;
