create trigger append_only before update or delete on review.person_link_log for each row
  execute function core.append_only();
create trigger append_only_truncate before truncate on review.person_link_log for each statement
  execute function core.append_only();
alter table review.person_link_log enable always trigger append_only;
alter table review.person_link_log enable always trigger append_only_truncate;
