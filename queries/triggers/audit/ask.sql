create constraint trigger durable after insert on audit.ask deferrable initially deferred for each row execute function audit.durable();
