-- tenancy.begin does not look up again what cannot change: the login of a session's application. Another login is
-- another application.
create trigger fixed before update on tenancy.application for each row
  when ((old.aud, old.login_role) is distinct from (new.aud, new.login_role)) execute function core.fixed('login');
