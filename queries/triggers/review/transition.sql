create trigger append_only before update or delete on review.transition for each row
  execute function core.append_only();
create trigger append_only_truncate before truncate on review.transition for each statement
  execute function core.append_only();
