-- Refuses if the person has a conflict of interest in the anomaly.
create or replace function review.require_no_conflict(who uuid, anomaly uuid, actor uuid, subject uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare as_what text := review.conflict_of_interest(who, anomaly, actor, subject);
begin
  if as_what is null then return; end if;
  if who is distinct from tenancy.user_id() then
    raise exception 'this anomaly is about %: somebody else must review it', tenancy.slug_of(who)
      using errcode = 'WARD6';
  end if;
  raise exception '%: somebody else reviews it',
    case as_what
      when 'actor' then 'this anomaly is about yourself'
      else 'this anomaly is about a patient who you are, or whose portal account is yours'
    end
    using errcode = 'WARD6';
end $$;
