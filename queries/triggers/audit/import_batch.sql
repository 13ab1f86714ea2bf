create trigger append_only before delete or update on audit.import_batch for each row
  execute function core.append_only();
alter table audit.import_batch enable always trigger append_only;
create trigger append_only_truncate before truncate on audit.import_batch for each statement
  execute function core.append_only();
alter table audit.import_batch enable always trigger append_only_truncate;
