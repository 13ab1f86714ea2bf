create trigger no_delete before delete on review.suppression for each row execute function core.no_delete();
create trigger no_truncate before truncate on review.suppression for each statement execute function core.no_delete();
create trigger unchanged before insert or update on review.suppression for each row
  execute function review.on_suppression();
create trigger separate_closing after insert or update of approved_by on review.suppression for each row
  execute function review.separate_suppression();
