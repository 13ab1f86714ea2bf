create trigger append_only before update or delete on audit.answer for each row execute function core.append_only();
create trigger append_only_truncate before truncate on audit.answer for each statement
  execute function core.append_only();
alter table audit.answer enable always trigger append_only;
alter table audit.answer enable always trigger append_only_truncate;
