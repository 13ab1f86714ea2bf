create trigger check_value before insert on review.disposition_value for each row execute function review.check_value();
create trigger append_only before delete or update on review.disposition_value for each row
  execute function core.append_only();
create trigger append_only_truncate before truncate on review.disposition_value for each statement
  execute function core.append_only();
create trigger separate_closing after insert on review.disposition_value for each row
  execute function review.separate_closing();
