create trigger log after insert or update or delete on review.person_link for each row
  execute function review.log_person_link();
create trigger no_truncate before truncate on review.person_link for each statement execute function core.no_delete();
