create trigger no_delete before delete on review.delivery for each row execute function core.no_delete();
create trigger no_truncate before truncate on review.delivery for each statement execute function core.no_delete();
