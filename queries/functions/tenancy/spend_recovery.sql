-- Owner: ward_keys
-- Uses up a recovery code. The row lock makes the second of two wait and then find it used, and one that an end of the
-- enrolment overtook find that.
create or replace function tenancy.spend_recovery(who uuid, code text)
  returns boolean
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update tenancy.recovery_code r set used_at = clock_timestamp()
  from tenancy.totp t
  where t.id = r.totp_id
    and t.user_id = who
    and t.active_at is not null
    and t.ended_at is null
    and r.sha256 = tenancy.recovery_hash(code)
    and r.used_at is null;
  if not found then return false; end if;
  update tenancy.totp t set forgiven = nextval(tenancy.totp_tries(t.id))
  where t.user_id = who and t.active_at is not null and t.ended_at is null;
  return found;
end $$;

grant execute on function tenancy.spend_recovery to ward_owner;
