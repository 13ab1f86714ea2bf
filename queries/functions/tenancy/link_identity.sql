create or replace function tenancy.link_identity(who text, issuer text, subject text)
  returns uuid
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  by_user uuid := tenancy.reviewer_of('configure', null);
  u uuid := tenancy.user_named(who);
  was tenancy.identity;
begin
  perform tenancy.issuer_named(link_identity.issuer);
  if (select x.kind from tenancy.users x where x.id = u) <> 'human' then
    raise exception '% is a service account: no person signs in as it', who using errcode = '42501';
  end if;
  insert into tenancy.identity (issuer, subject, user_id, linked_by)
  values (link_identity.issuer, link_identity.subject, u, by_user) on conflict do nothing;
  if not found then
    select * into was
    from tenancy.identity x
    where x.issuer = link_identity.issuer and x.subject = link_identity.subject
    for update;
    if was.user_id <> u then
      raise exception 'this subject is, or was, another user''s: an identity is one user''s for ever'
        using errcode = '23505';
    end if;
    if was.ended_at is null then
      raise exception 'this subject is linked to % already', who using errcode = '23505';
    end if;
    update tenancy.identity x set ended_at = null, linked_by = by_user, linked_at = clock_timestamp()
    where x.issuer = was.issuer and x.subject = was.subject;
  end if;
  perform audit.write(
    tenancy.installation(), 'configure', 'ok',
    jsonb_build_object('what', 'user link', 'user', u, 'issuer', issuer, 'subject', subject)::text
  );
  return u;
end $$;

grant execute on function tenancy.link_identity to ward_reviewer;
