select coalesce(tenancy.begin($1, $2, $3), '')
