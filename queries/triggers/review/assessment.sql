create trigger append_only before delete or update on review.assessment for each row
  execute function core.append_only();
create trigger append_only_truncate before truncate on review.assessment for each statement
  execute function core.append_only();
create trigger separate_closing after insert on review.assessment for each row
  execute function review.separate_closing();
