create or replace function tenancy.list_issuers()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.the_ask('list:issuers');
  perform tenancy.reviewer_of('configure', null);
  return query select jsonb_build_object(
    'id', i.id, 'issuer', i.issuer, 'client_id', i.client_id, 'required_acr', i.required_acr,
    'required_amr', i.required_amr, 'kids', tenancy.kids(i.id), 'declared_by', d.slug, 'declared_at', i.declared_at,
    'fetched_at', i.fetched_at, 'ended_at', i.ended_at,
    'identities', coalesce((
      select jsonb_agg(jsonb_build_object(
        'subject', x.subject, 'user', u.slug, 'linked_by', l.slug, 'linked_at', x.linked_at, 'ended_at', x.ended_at
      ) order by x.linked_at)
      from tenancy.identity x join tenancy.users u on u.id = x.user_id join tenancy.users l on l.id = x.linked_by
      where x.issuer = i.issuer
    ), '[]')
  )
  from tenancy.issuer i join tenancy.users d on d.id = i.declared_by
  order by i.ended_at is not null, i.declared_at;
end $$;

grant execute on function tenancy.list_issuers to ward_reviewer;
