create trigger no_delete before delete on tenancy.tenant for each row execute function tenancy.no_delete();
create trigger fixed before update on tenancy.tenant for each row when (old.region is distinct from new.region) execute function tenancy.fixed('region');
