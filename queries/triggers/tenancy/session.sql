create trigger login_role before insert or update of aud, login_role on tenancy.session for each row
  execute function tenancy.login_of_session();
