-- Ends the link of a provider's subject to a user.
create or replace function tenancy.unlink_identity(who text, issuer text, subject text, reason text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  by_user uuid := tenancy.reviewer_of('configure', tenant => null);
  person uuid := tenancy.user_named(who);
begin
  update tenancy.identity linked set ended_at = clock_timestamp()
  where linked.issuer = unlink_identity.issuer
    and linked.subject = unlink_identity.subject
    and linked.user_id = person
    and linked.ended_at is null;
  if not found then
    raise exception 'this subject is not linked to user %', who
      using errcode = '02000', hint = 'ward oidc list --json shows the links';
  end if;
  perform audit.write(tenancy.installation(), 'configure', 'ok', jsonb_build_object(
    'what', 'user unlink', 'user', person, 'issuer', issuer, 'subject', subject, 'reason', core.require_reason(reason)
  )::text);
  return person;
end $$;

grant execute on function tenancy.unlink_identity to ward_reviewer;
