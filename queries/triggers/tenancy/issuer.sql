create trigger no_delete before delete on tenancy.issuer for each row execute function core.no_delete();
create trigger no_truncate before truncate on tenancy.issuer for each statement execute function core.no_delete();
