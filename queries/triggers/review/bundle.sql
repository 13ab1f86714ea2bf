create trigger append_only before delete or update on review.bundle for each row execute function core.append_only();
alter table review.bundle enable always trigger append_only;
create trigger append_only_truncate before truncate on review.bundle for each statement
  execute function core.append_only();
alter table review.bundle enable always trigger append_only_truncate;
