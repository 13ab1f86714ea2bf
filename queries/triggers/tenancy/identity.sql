create trigger no_delete before delete on tenancy.identity for each row execute function core.no_delete();
create trigger no_truncate before truncate on tenancy.identity for each statement execute function core.no_delete();
create trigger identity_guard before update on tenancy.identity for each row execute function tenancy.identity_guard();
