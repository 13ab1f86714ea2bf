create trigger append_only before update or delete on audit.resume for each row execute function core.append_only();
create trigger append_only_truncate before truncate on audit.resume for each statement
  execute function core.append_only();
alter table audit.resume enable always trigger append_only;
alter table audit.resume enable always trigger append_only_truncate;
