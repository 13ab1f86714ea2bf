-- Retires a rule whose file is gone: until somebody does, it counts as late, and rule S02 tells. It is then listed NOT
-- ENABLED for want of its file. A worker that has the file again takes it up where it stopped.
create or replace function review.retire_rule(rule text, reason text)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer_of(action => 'configure', tenant => null);
  the_rule review.rule;
  event_id bigint;
begin
  select * into the_rule from review.rule r where r.id = retire_rule.rule for update;
  if the_rule.id is null then
    raise exception 'no rule "%"', rule using errcode = '02000', hint = 'ward rule list shows them';
  end if;
  if the_rule.loaded_at > clock_timestamp() - interval '5 minutes' then
    raise exception 'a worker has the file of rule % (seen %): remove the file first',
      the_rule.id, to_char(the_rule.loaded_at at time zone 'UTC', 'HH24:MI:SS "UTC"')
      using errcode = '55000';
  end if;
  event_id := audit.write(tenant => tenancy.installation(), action => 'configure', detail => jsonb_build_object(
    'what', 'rule retired', 'rule', the_rule.id, 'version', the_rule.version, 'content', the_rule.content_hash,
    'reason', core.require_reason(reason)
  )::text, purpose => 'audit');
  update review.rule r
  set missing = array[format(
    'its file (retired by %s on %s)',
    (select u.slug from tenancy.users u where u.id = who), to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD')
  )]
  where r.id = the_rule.id;
  return event_id;
end $$;

grant execute on function review.retire_rule to ward_reviewer;
