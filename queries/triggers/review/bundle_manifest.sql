create trigger append_only before delete or update on review.bundle_manifest for each row
  execute function core.append_only();
alter table review.bundle_manifest enable always trigger append_only;
create trigger append_only_truncate before truncate on review.bundle_manifest for each statement
  execute function core.append_only();
alter table review.bundle_manifest enable always trigger append_only_truncate;
