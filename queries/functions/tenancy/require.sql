-- Raises unless the identity's role may do that with the table. claims: those of a caller that has checked them
-- already; only ward's own functions can call this.
create or replace function tenancy.require(record_table text, action text, claims jsonb default tenancy.claims())
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if claims is null or claims->>'tid' is null then
    raise exception 'no identity: tenancy.begin(token) comes first' using errcode = '28000';
  end if;
  if not exists (
    select from tenancy.permission p join tenancy.phi_table pt on pt.record_table = p.record_table
    where p.role = claims->>'role' and p.record_table = require.record_table and p.action = require.action
  ) then
    if not exists (select from tenancy.phi_table pt where pt.record_table = require.record_table) then
      raise exception '% is not a protected table: tenancy.protect() makes it one', record_table
        using errcode = '42704';
    end if;
    raise exception 'the role % may not % %', claims->>'role', action, record_table
      using errcode = '42501', hint = 'tenancy.permit(role, table, actions) widens a role';
  end if;
end $$;
