create trigger append_only before update or delete on audit.pruned for each row execute function core.append_only();
create trigger append_only_truncate before truncate on audit.pruned for each statement
  execute function core.append_only();
alter table audit.pruned enable always trigger append_only;
alter table audit.pruned enable always trigger append_only_truncate;
