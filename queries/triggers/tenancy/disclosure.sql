create constraint trigger durable after insert on tenancy.disclosure deferrable initially deferred for each row
  execute function tenancy.durable();
