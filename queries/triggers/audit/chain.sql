create trigger append_only before update or delete on audit.chain for each row execute function core.append_only();
create trigger append_only_truncate before truncate on audit.chain for each statement
  execute function core.append_only();
alter table audit.chain enable always trigger append_only;
alter table audit.chain enable always trigger append_only_truncate;
