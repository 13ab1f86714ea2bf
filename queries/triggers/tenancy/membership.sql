create trigger no_delete before delete on tenancy.membership for each row execute function core.no_delete();
create trigger no_truncate before truncate on tenancy.membership for each statement execute function core.no_delete();
create trigger membership_guard before update on tenancy.membership for each row
  execute function tenancy.membership_guard();
