create trigger append_only before delete or update on review.rule_log for each row execute function core.append_only();
alter table review.rule_log enable always trigger append_only;
create trigger append_only_truncate before truncate on review.rule_log for each statement
  execute function core.append_only();
alter table review.rule_log enable always trigger append_only_truncate;
