-- What an application does: write, ask, commit, look. Played by adopt.sh with psql as ward_app, a login without any other right. A driver sends passwords and
-- tokens as bind parameters; psql 15 has none, so here they travel in settings of the session (PGOPTIONS and set_config), because a text with a secret in it is refused.
\set ON_ERROR_STOP on
\pset tuples_only on
\pset format unaligned

-- Hugo of the other clinic has a visit of his own.
select gen_random_uuid() as hugos_visit, gen_random_uuid() as caseys_visit, gen_random_uuid() as patient, gen_random_uuid() as look \gset
select 'hugo tried: ' || (set_config('ward.ticket', tenancy.sign_in('hugo', current_setting('ward.password'), 'harbor'), false) is not null);
select 'hugo signed in: ' || (set_config('ward.token', s.access_token, false) is not null) from tenancy.signed_in(current_setting('ward.ticket')) s;
begin;
select 'refused: ' || coalesce(tenancy.begin(current_setting('ward.token')), 'no');
insert into public.visits (tenant_id, id, patient_id, provider_id, reason) values (tenancy.tenant_id(), :'hugos_visit', gen_random_uuid(), tenancy.user_id(), 'Synthetic cough');
commit;

-- Casey signs in to cedar and writes. The caller chooses the id; nothing is returned.
select 'casey tried: ' || (set_config('ward.ticket', tenancy.sign_in('casey', current_setting('ward.password'), 'cedar'), false) <> '');
select 'casey signed in: ' || (set_config('ward.token', s.access_token, false) <> '') || coalesce(', ' || s.reason, '') from tenancy.signed_in(current_setting('ward.ticket')) s;
begin;
select 'refused: ' || coalesce(tenancy.begin(current_setting('ward.token')), 'no');
insert into public.visits (tenant_id, id, patient_id, provider_id, reason) values (tenancy.tenant_id(), :'caseys_visit', :'patient', tenancy.user_id(), 'Synthetic headache');
commit;

-- Without a committed disclosure the view raises; it is never an empty chart.
begin;
select 'refused: ' || coalesce(tenancy.begin(current_setting('ward.token')), 'no');
do $$
begin
  perform reason from phi.visits;
  raise exception 'a visit was shown that nobody had asked for';
exception when insufficient_privilege then null;
end $$;
rollback;

-- Ask, commit, then look.
begin;
select 'refused: ' || coalesce(tenancy.begin(current_setting('ward.token')), 'no');
select audit.disclose(:'look', 'public.visits', array[:'caseys_visit']::uuid[], 'treatment');
commit;
begin;
select 'refused: ' || coalesce(tenancy.begin(current_setting('ward.token'), :'look'), 'no');
select 'read: ' || reason from phi.visits where id = :'caseys_visit';
update public.visits set reason = 'Synthetic migraine' where id = :'caseys_visit';
select 'read: ' || reason from phi.visits where id = :'caseys_visit';
commit;

-- The misbehaviour: Casey, at cedar, asks for the visit at harbor. Asking succeeds and shows nothing.
select gen_random_uuid() as look \gset
begin;
select 'refused: ' || coalesce(tenancy.begin(current_setting('ward.token')), 'no');
select audit.disclose(:'look', 'public.visits', array[:'hugos_visit']::uuid[], 'treatment');
commit;
begin;
select 'refused: ' || coalesce(tenancy.begin(current_setting('ward.token'), :'look'), 'no');
select 'other clinic: ' || count(*) || ' rows' from phi.visits;
commit;
begin;
select 'refused: ' || coalesce(tenancy.begin(current_setting('ward.token')), 'no');
select tenancy.sign_out();
commit;
