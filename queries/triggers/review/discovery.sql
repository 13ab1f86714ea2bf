create trigger keep_discoveries_apart after insert on review.discovery for each row
  execute function review.keep_discoveries_apart();
create trigger append_only before delete or update on review.discovery for each row execute function core.append_only();
create trigger append_only_truncate before truncate on review.discovery for each statement
  execute function core.append_only();
create trigger keep_apart after insert on review.discovery for each row execute function review.keep_apart();
