create trigger append_only before update or delete on review.alert for each row execute function core.append_only();
create trigger append_only_truncate before truncate on review.alert for each statement
  execute function core.append_only();
