create trigger no_delete before delete on tenancy.tenant for each row execute function core.no_delete();
-- tenancy.begin does not look up again what cannot change: the region of a session's clinic, which was this one when
-- the session was opened and at each refresh. A clinic that moves is another clinic.
create trigger fixed before update on tenancy.tenant for each row when (old.region is distinct from new.region)
  execute function core.fixed('region');
