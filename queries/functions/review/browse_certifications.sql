-- Records a look at the certifications within the reviewer's reach.
create or replace function review.browse_certifications(ask uuid)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare who uuid := tenancy.reviewer('browse');
begin
  perform tenancy.look(
    ask => ask, what => 'certifications', action => 'browse', shown => null, filter => '{}',
    ids => (select array_agg(c.id) from review.certification_rows(who, 'infinity') c)
  );
end $$;

grant execute on function review.browse_certifications to ward_reviewer;
