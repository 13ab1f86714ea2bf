create trigger log after insert or update on review.rule for each row execute function review.log_rule();
