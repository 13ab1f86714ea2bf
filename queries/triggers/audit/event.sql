create trigger append_only before update or delete on audit.event for each row execute function core.append_only();
-- The statement trigger speaks up where row security hides every row and the row trigger would never fire. Always: also
-- for a session that says it is a replica.
create trigger append_only_truncate before update or delete or truncate on audit.event for each statement
  execute function core.append_only();
alter table audit.event enable always trigger append_only;
alter table audit.event enable always trigger append_only_truncate;
