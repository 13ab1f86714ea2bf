create trigger fixed before update on tenancy.application for each row when ((old.aud, old.login_role) is distinct from (new.aud, new.login_role)) execute function tenancy.fixed('login');
