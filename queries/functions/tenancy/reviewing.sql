-- Who is signed in as a reviewer, with a second factor where one is required. Before anything else that a reviewer
-- calls: not even a name is looked up earlier. claims: those of a caller that has checked them already; only ward's
-- own functions can call this.
create or replace function tenancy.reviewing(claims jsonb default tenancy.claims())
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if claims is null or claims->>'aud' <> 'review' then
    raise exception 'nobody is signed in as a reviewer: ward login' using errcode = '28000';
  end if;
  if tenancy.must_enroll((claims->>'sid')::uuid) then
    raise exception 'a second factor is required here and this session has shown none'
      using errcode = 'WARD4', hint = 'ward totp enroll; if you have one already, sign in again';
  end if;
  return (claims->>'sub')::uuid;
end $$;
