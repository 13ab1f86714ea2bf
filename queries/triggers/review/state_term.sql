create trigger append_only before delete or update on review.state_term for each row
  execute function core.append_only();
create trigger append_only_truncate before truncate on review.state_term for each statement
  execute function core.append_only();
