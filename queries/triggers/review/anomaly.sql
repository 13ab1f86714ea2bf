create trigger no_delete before delete on review.anomaly for each row execute function core.no_delete();
create trigger no_truncate before truncate on review.anomaly for each statement execute function core.no_delete();
create trigger enters before insert on review.anomaly for each row when (new.state <> 'new')
  execute function review.enters_the_queue();
create trigger separate_closing after insert or update of assigned_to, closed_by, approved_by, actor_id, subject_id
  on review.anomaly for each row
  when (new.assigned_to is not null or new.closed_by is not null or new.approved_by is not null)
  execute function review.separate_closing();
create trigger check_closing after insert or update of state, disposition, closed_version on review.anomaly for each row
  when (new.state in ('closed', 'merged', 'pending_approval')) execute function review.check_closing();
create trigger begin_clocks before insert on review.anomaly for each row execute function review.begin_clocks();
create trigger tell after insert on review.anomaly for each row when (new.state <> 'suppressed')
  execute function review.tell_anomaly();
create trigger tell_released after update of state on review.anomaly for each row
  when (old.state = 'suppressed' and new.state not in ('suppressed', 'closed', 'merged'))
  execute function review.tell_anomaly();
