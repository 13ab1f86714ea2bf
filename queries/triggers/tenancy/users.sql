create trigger no_delete before delete on tenancy.users for each row execute function core.no_delete();
create trigger no_truncate before truncate on tenancy.users for each statement execute function core.no_delete();
create trigger log after insert or update of owner_id, disabled_at on tenancy.users for each row
  execute function tenancy.log_user();
