create trigger append_only before delete or update on review.certification for each row
  execute function core.append_only();
alter table review.certification enable always trigger append_only;
create trigger append_only_truncate before truncate on review.certification for each statement
  execute function core.append_only();
alter table review.certification enable always trigger append_only_truncate;
