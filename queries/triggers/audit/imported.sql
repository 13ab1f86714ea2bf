create trigger append_only before delete or update on audit.imported for each row execute function core.append_only();
alter table audit.imported enable always trigger append_only;
create trigger append_only_truncate before truncate on audit.imported for each statement
  execute function core.append_only();
alter table audit.imported enable always trigger append_only_truncate;
