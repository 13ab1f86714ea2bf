-- Owner: ward_keys
-- Why the statement that calls begin cannot be trusted with an identity ('code: sentence'), or null. The token must not
-- stand in the query text, which other sessions of the same role may see; begin must be a statement of its own, reading
-- and writing no table, because one inside another statement would change who it is recorded under between its rows,
-- and calling nothing else, because query_to_xml runs a statement whose words the text need not show. The pattern reads
-- the text as PostgreSQL's lexer does: a comment that opens another one inside, and a carriage return that ends one,
-- would let it see a "select" that is none. Dollar quotes, because standard_conforming_strings is the client's to set.
create or replace function tenancy.unfit(token text)
  returns text
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when position(token in current_query()) > 0
    then 'secret_in_query: the token stood in the query text: send it as a bind parameter'
    when coalesce(current_query(), '') !~* $re$^(\s|--[^\n\r]*[\n\r]|/\*((?!/\*|\*/).)*\*/)*select\M[^;]*;?\s*\Z$re$
      or current_query() ~* $re$\m(from|table|insert|update|delete|merge|declare|copy)\M$re$
      or regexp_replace(current_query(), $re$^(\s|--[^\n\r]*[\n\r]|/\*((?!/\*|\*/).)*\*/)*$re$, '')
        ~* $re$\m(?!(select|begin|coalesce|nullif|current_setting)\M)\w+\s*\(|[")]\s*[.(]|\$\d+\s*\.|/\*|--$re$
    then 'statement_unfit: begin was not a select of its own'
  end;
end $$;
