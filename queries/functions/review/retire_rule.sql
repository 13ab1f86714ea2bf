-- A rule whose file is gone is late, and S02 tells, until somebody says that it is meant to be gone. It is then listed
-- NOT ENABLED for want of its file; a worker that has the file again takes it up where it stopped.
create or replace function review.retire_rule(rule text, reason text)
  returns bigint
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  who uuid := tenancy.reviewer_of('configure', null);
  r review.rule;
  e bigint;
begin
  select * into r from review.rule x where x.id = retire_rule.rule for update;
  if r.id is null then
    raise exception 'no rule "%"', rule using errcode = '02000', hint = 'ward rule list shows them';
  end if;
  if r.loaded_at > clock_timestamp() - interval '5 minutes' then
    raise exception 'a worker has the file of rule % (seen %): take it away first',
      r.id, to_char(r.loaded_at at time zone 'UTC', 'HH24:MI:SS "UTC"')
      using errcode = '55000';
  end if;
  e := audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object(
      'what', 'rule retired', 'rule', r.id, 'version', r.version, 'content', r.content_hash,
      'reason', core.require_reason(reason)
    )::text,
    null, null, null, 'audit'
  );
  update review.rule x
  set missing = array[format(
    'its file (retired by %s on %s)',
    (select u.slug from tenancy.users u where u.id = who), to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD')
  )]
  where x.id = r.id;
  return e;
end $$;

grant execute on function review.retire_rule to ward_reviewer;
