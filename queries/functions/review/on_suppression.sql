-- Refuses every change of a suppression but one approval, one end, and its counters. A renewal is a row of its own.
create or replace function review.on_suppression()
  returns trigger
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    if new.approved_by is not null or new.ended_at is not null or new.hits <> 0 then
      raise exception 'a suppression is inserted without approval, end and hits'
        using errcode = '42501', hint = 'it is approved and ended afterwards';
    end if;
    if new.tier is distinct from (select r.tier from review.rule r where r.id = new.rule_id) then
      raise exception 'rule % is not of tier %', new.rule_id, new.tier using errcode = '22023';
    end if;
    return new;
  end if;
  if (
    to_jsonb(new) - array['approved_by', 'approved_at', 'ended_by', 'ended_at', 'hits', 'last_hit_at']
  ) is distinct from (
    to_jsonb(old) - array['approved_by', 'approved_at', 'ended_by', 'ended_at', 'hits', 'last_hit_at']
  )
    or old.approved_by is not null
      and (new.approved_by, new.approved_at) is distinct from (old.approved_by, old.approved_at)
    or old.ended_at is not null and (new.ended_at, new.ended_by) is distinct from (old.ended_at, old.ended_by)
    or new.hits < old.hits
    or old.approved_by is null and new.approved_by is not null and old.ended_at is not null
  then
    raise exception 'a suppression cannot be changed'
      using errcode = '42501', hint = 'end it and ask for another, or renew it';
  end if;
  return new;
end $$;
