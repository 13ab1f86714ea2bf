create trigger separate_closing after insert on review.certification_approval for each row
  execute function review.separate_certification();
create trigger append_only before delete or update on review.certification_approval for each row
  execute function core.append_only();
alter table review.certification_approval enable always trigger append_only;
create trigger append_only_truncate before truncate on review.certification_approval for each statement
  execute function core.append_only();
alter table review.certification_approval enable always trigger append_only_truncate;
