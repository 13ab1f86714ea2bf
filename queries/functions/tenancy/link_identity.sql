-- Links a provider's subject to a user, who may sign in by it from then on.
create or replace function tenancy.link_identity(who text, issuer text, subject text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  by_user uuid := tenancy.reviewer_of('configure', tenant => null);
  person uuid := tenancy.user_named(who);
  was tenancy.identity;
begin
  perform tenancy.issuer_named(link_identity.issuer);
  if (select u.kind from tenancy.users u where u.id = person) <> 'human' then
    raise exception '% is a service account, so no person signs in as it: name a person', who using errcode = '22023';
  end if;
  insert into tenancy.identity (issuer, subject, user_id, linked_by)
  values (link_identity.issuer, link_identity.subject, person, by_user) on conflict do nothing;
  if not found then
    select * into was
    from tenancy.identity linked
    where linked.issuer = link_identity.issuer and linked.subject = link_identity.subject
    for update;
    if was.user_id <> person then
      raise exception 'this subject is, or was, linked to another user, and cannot be linked to a second one'
        using errcode = '23505';
    end if;
    if was.ended_at is null then
      raise exception 'this subject is linked to user % already', who using errcode = '23505';
    end if;
    update tenancy.identity linked set ended_at = null, linked_by = by_user, linked_at = clock_timestamp()
    where linked.issuer = was.issuer and linked.subject = was.subject;
  end if;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'user link', 'user', person, 'issuer', issuer, 'subject', subject)::text
  );
  return person;
end $$;

grant execute on function tenancy.link_identity to ward_reviewer;
