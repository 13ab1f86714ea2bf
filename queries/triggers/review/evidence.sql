create trigger append_only before update or delete on review.evidence for each row execute function core.append_only();
create trigger append_only_truncate before truncate on review.evidence for each statement
  execute function core.append_only();
create trigger count_evidence after insert on review.evidence referencing new table as added for each statement
  execute function review.count_evidence();
