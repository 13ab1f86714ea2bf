select (count(*) filter (where from_sql) + (pg_my_temp_schema() <> 0)::int)::text, count(*) filter (where not from_sql)::text, pg_advisory_unlock_all() from pg_prepared_statements;
close all;
reset session authorization;
reset all;
unlisten *;
discard temp;
discard sequences
