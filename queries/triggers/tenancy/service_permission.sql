create trigger log after insert or update or delete on tenancy.service_permission for each row
  execute function tenancy.log_service_permission();
