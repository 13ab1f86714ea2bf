create trigger append_only before update or delete on review.note for each row execute function core.append_only();
create trigger append_only_truncate before truncate on review.note for each statement
  execute function core.append_only();
create trigger separate_closing after insert on review.note for each row execute function review.separate_closing();
