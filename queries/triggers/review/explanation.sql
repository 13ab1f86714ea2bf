create trigger append_only before update or delete on review.explanation for each row
  execute function core.append_only();
create trigger append_only_truncate before truncate on review.explanation for each statement
  execute function core.append_only();
