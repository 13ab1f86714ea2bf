create or replace function tenancy.listing(what text) returns setof jsonb language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare a tenancy.disclosure := tenancy.the_ask('list:' || what); who uuid := tenancy.user_id();
begin
  case what
  when 'tenants' then return query select jsonb_build_object('id', t.id, 'slug', t.slug, 'name', t.name, 'region', t.region, 'kind', t.kind, 'created_at', t.created_at, 'retain_years', t.retain_years,
      'members', (select count(*) from tenancy.membership m where m.tenant_id = t.id and m.terminated_at is null),
      'open_anomalies', (select count(*) from review.anomaly x where x.tenant_id = t.id and x.open))
    from tenancy.tenant t where tenancy.reaches(who, t.id, 'browse') order by t.kind, t.slug;
  when 'users' then return query select jsonb_build_object('id', u.id, 'slug', u.slug, 'name', u.name, 'kind', u.kind, 'owner', o.slug, 'created_at', u.created_at, 'disabled_at', u.disabled_at,
      'memberships', coalesce((select jsonb_agg(jsonb_build_object('tenant', t.slug, 'role', m.role, 'terminated_at', m.terminated_at) order by m.started_at)
        from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id where m.user_id = u.id and tenancy.reaches(who, m.tenant_id, 'browse')), '[]'))
    from tenancy.users u left join tenancy.users o on o.id = u.owner_id where tenancy.sees_user(who, u.id) order by u.slug;
  when 'user' then return query select jsonb_build_object('id', u.id, 'slug', u.slug, 'name', u.name, 'kind', u.kind, 'owner', o.slug, 'created_at', u.created_at, 'disabled_at', u.disabled_at,
      'live_sessions', (select count(*) from tenancy.session s where s.user_id = u.id and s.revoked_at is null and s.expires_at > clock_timestamp() and tenancy.sees(who, s.tenant_id)),
      'memberships', coalesce((select jsonb_agg(jsonb_build_object('tenant', t.slug, 'role', m.role, 'terminated_at', m.terminated_at) order by m.started_at)
        from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id where m.user_id = u.id and tenancy.reaches(who, m.tenant_id, 'browse')), '[]')) || tenancy.left_behind(u.id, who)
    from tenancy.users u left join tenancy.users o on o.id = u.owner_id where u.id = a.ids[1] and tenancy.sees_user(who, u.id);
  when 'members' then return query select tenancy.member_row(m) from tenancy.membership m join tenancy.tenant t on t.id = m.tenant_id join tenancy.users u on u.id = m.user_id
    where (a.tenant_id is null or m.tenant_id = a.tenant_id) and tenancy.reaches(who, m.tenant_id, 'browse') order by m.terminated_at is not null, t.slug, u.slug;
  when 'member' then return query select tenancy.member_row(m) || jsonb_build_object(
      'upcoming_appointments', (select count(*) from tenancy.relationship r where r.user_id = m.user_id and r.tenant_id = m.tenant_id and r.kind = 'appointment' and r.from_at > clock_timestamp() and r.void_at is null),
      'open_anomalies', (select count(*) from review.anomaly x where x.actor_id = m.user_id and x.tenant_id = m.tenant_id and x.open),
      'other_memberships', coalesce((select jsonb_agg(jsonb_build_object('tenant', t.slug, 'tenant_name', t.name, 'role', o.role)) from tenancy.membership o join tenancy.tenant t on t.id = o.tenant_id
        where o.user_id = m.user_id and o.id <> m.id and o.terminated_at is null and tenancy.reaches(who, o.tenant_id, 'browse')), '[]')) || tenancy.left_behind(m.user_id, who)
    from tenancy.membership m where m.id = a.ids[1];
  when 'grants' then return query select jsonb_build_object('id', g.id, 'user', u.slug, 'name', u.name, 'role', g.role, 'tenant', t.slug, 'granted_by', b.slug, 'reason', g.reason, 'ticket', g.ticket,
      'starts_at', g.starts_at, 'expires_at', g.expires_at, 'ended_at', g.ended_at)
    from tenancy.reviewer_grant g join tenancy.users u on u.id = g.user_id left join tenancy.users b on b.id = g.granted_by left join tenancy.tenant t on t.id = g.tenant_id
    where g.user_id = who or tenancy.sees(who, g.tenant_id) order by g.starts_at desc;
  when 'oncall' then return query select jsonb_build_object('id', o.id, 'user', u.slug, 'name', u.name, 'tenant', t.slug, 'added_by', b.slug, 'added_at', o.added_at, 'reason', o.reason, 'took', x.slug, 'until', g.expires_at)
    from tenancy.on_call o join tenancy.users u on u.id = o.user_id join tenancy.users b on b.id = o.added_by left join tenancy.tenant t on t.id = o.tenant_id
      left join tenancy.reviewer_grant g on g.user_id = o.user_id and g.granted_by = o.user_id and g.role = 'on_call_engineer' and g.ended_at is null and g.expires_at > clock_timestamp() and (o.tenant_id is null or g.tenant_id = o.tenant_id)
        and tenancy.sees(who, g.tenant_id)
      left join tenancy.tenant x on x.id = g.tenant_id
    where o.removed_at is null and (o.user_id = who or tenancy.sees(who, o.tenant_id)) order by u.slug, t.slug nulls first;
  when 'roles' then return query select jsonb_build_object('name', r.name, 'note', r.note,
      'permissions', coalesce((select jsonb_agg(jsonb_build_object('record_table', x.record_table, 'actions', x.actions) order by x.record_table)
        from (select p.record_table, array_agg(p.action order by p.action) as actions from tenancy.permission p where p.role = r.name group by p.record_table) x), '[]'),
      'members', (select count(*) from tenancy.membership m where m.role = r.name and m.terminated_at is null and tenancy.reaches(who, m.tenant_id, 'browse')))
    from tenancy.role r where a.payload->>'of' is null or r.name = a.payload->>'of' order by r.name;
  when 'services' then return query select tenancy.service_row(u, who) from tenancy.users u
    where u.kind = 'service' and u.slug <> 'ward-worker' and (a.payload->>'of' is null or u.slug = a.payload->>'of') and tenancy.sees_user(who, u.id) order by u.slug;
  when 'rules' then return query select jsonb_build_object('id', r.id, 'version', r.version, 'tier', r.tier, 'severity', r.severity, 'title', r.title, 'kind', r.kind, 'own', r.own, 'enabled', r.missing = '{}', 'missing', r.missing, 'explained', r.explained, 'loaded_at', r.loaded_at,
      'content_hash', r.content_hash, 'front_matter', r.front_matter, 'last_run_at', r.last_run_at, 'cursor_batch', r.cursor_batch,
      'open', (select count(*) from review.anomaly x where x.rule_id = r.id and x.open)) from review.rule r order by r.id;
  when 'runs' then return query select jsonb_build_object('run_id', x.run_id, 'rule_id', x.rule_id, 'rule_version', x.rule_version, 'from_batch', x.from_batch, 'to_batch', x.to_batch, 'matched', x.matched,
      'created', x.created, 'merged', x.merged, 'suppressed', x.suppressed, 'started_at', x.started_at, 'finished_at', x.finished_at, 'status', x.status, 'error', x.error, 'requested_by', u.slug, 'request_event', x.event_id,
      'recorded_as', x.recorded_as, 'period_start', x.period_start, 'period_end', x.period_end)
    from review.run x left join tenancy.users u on u.id = x.requested_by where a.payload->>'of' is null or starts_with(x.rule_id, a.payload->>'of') order by x.finished_at desc limit 500;
  when 'suppressions' then return query select review.suppression_row(x) from review.suppression x where tenancy.reaches(who, x.tenant_id, 'browse') order by x.ended_at is not null, x.expires_at desc, x.id limit 500;
  when 'jobs' then return query select jsonb_build_object('id', j.id, 'queue', j.queue, 'kind', j.kind, 'rule_id', nullif(j.args ->> 'rule', ''), 'dead', j.state = 'discarded', 'state', j.state, 'attempt', j.attempt,
      'max_attempts', j.max_attempts, 'created_at', j.created_at, 'next_at', case when j.finalized_at is null then j.scheduled_at end, 'finished_at', j.finalized_at, 'error', j.errors[cardinality(j.errors)] ->> 'error')
    from river.river_job j where j.state not in ('completed', 'cancelled') order by j.state = 'discarded' desc, j.id desc limit 500;
  when 'verifications' then return query select jsonb_build_object('id', v.id, 'by', u.slug, 'started_at', v.started_at, 'finished_at', v.finished_at, 'store', v.store, 'region', v.region, 'whole', v.tenant is null, 'months', v.months,
      'verdict', v.verdict, 'head_size', v.head_size, 'breaks', v.breaks, 'by_workers', v.by_workers, 'found', v.found)
    from audit.verification v join tenancy.users u on u.id = v.user_id order by v.started_at desc limit 500;
  when 'sessions', 'keys', 'applications' then return query select * from tenancy.sign_in_listing(what, a.ids);
  when 'archive' then return query select jsonb_build_object('id', h.id, 'tenant', t.slug, 'month', h.month, 'reason', h.reason, 'placed_by', p.slug, 'placed_at', h.placed_at, 'lifted_by', l.slug, 'lifted_at', h.lifted_at, 'lift_reason', h.lift_reason)
    from audit.hold h join tenancy.users p on p.id = h.placed_by left join tenancy.users l on l.id = h.lifted_by left join tenancy.tenant t on t.id = h.tenant_id where tenancy.reaches(who, h.tenant_id, 'browse') order by h.lifted_at is not null, h.placed_at desc;
  else return;
  end case;
end $$;

grant execute on function tenancy.listing to ward_reviewer;
