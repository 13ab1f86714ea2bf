-- The identity providers, each with its identities, after a look at them (tenancy.browse_issuers).
create or replace function tenancy.list_issuers()
  returns setof jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform tenancy.the_ask('list:issuers');
  perform tenancy.reviewer_of('configure', tenant => null);
  return query select jsonb_build_object(
    'id', i.id, 'issuer', i.issuer, 'client_id', i.client_id, 'required_acr', i.required_acr,
    'required_amr', i.required_amr, 'kids', tenancy.kids(i.id), 'declared_by', declarer.slug,
    'declared_at', i.declared_at, 'fetched_at', i.fetched_at, 'ended_at', i.ended_at,
    'identities', coalesce((
      select jsonb_agg(jsonb_build_object(
        'subject', linked.subject, 'user', u.slug, 'linked_by', linker.slug, 'linked_at', linked.linked_at,
        'ended_at', linked.ended_at
      ) order by linked.linked_at)
      from tenancy.identity linked
        join tenancy.users u on u.id = linked.user_id
        join tenancy.users linker on linker.id = linked.linked_by
      where linked.issuer = i.issuer
    ), '[]')
  )
  from tenancy.issuer i join tenancy.users declarer on declarer.id = i.declared_by
  order by i.ended_at is not null, i.declared_at;
end $$;

grant execute on function tenancy.list_issuers to ward_reviewer;
