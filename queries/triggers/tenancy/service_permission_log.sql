create trigger append_only before delete or update on tenancy.service_permission_log for each row
  execute function core.append_only();
alter table tenancy.service_permission_log enable always trigger append_only;
create trigger append_only_truncate before truncate on tenancy.service_permission_log for each statement
  execute function core.append_only();
alter table tenancy.service_permission_log enable always trigger append_only_truncate;
