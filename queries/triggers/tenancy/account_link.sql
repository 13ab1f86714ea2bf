create trigger no_delete before delete on tenancy.account_link for each row execute function core.no_delete();
create trigger no_truncate before truncate on tenancy.account_link for each statement execute function core.no_delete();
