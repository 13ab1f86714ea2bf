package migrate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// makePartitionTriggers gives the partitions of a table the triggers that the table has: PostgreSQL clones a table's
// row triggers to its partitions, but not its statement triggers.
func (m *maker) makePartitionTriggers(ctx context.Context, table string) error {
	statements, err := texts(ctx, m.db, partitionTriggers, table)
	if err != nil {
		return fmt.Errorf("look at the partitions: %w", err)
	}
	for _, s := range statements {
		if _, err := m.db.Exec(ctx, s, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("make the triggers of its partitions (%s): %w", s, err)
		}
	}
	return nil
}

// partitionTriggers are the statements, in the order in which they run.
const partitionTriggers = `
with part as (
  select p.relid from pg_partition_tree(to_regclass($1)) p where p.level > 0
), must as (
  select * from pg_trigger where tgrelid = to_regclass($1) and not tgisinternal
)
select statement from (
  select 1 as step, replace(pg_get_triggerdef(t.oid), ' ON ' || t.tgrelid::regclass || ' ',
    ' ON ' || part.relid || ' ') as statement
  from part cross join must t
  where t.tgtype & 1 = 0 -- a statement trigger
  union all
  select 2, format('alter table %s %s trigger %I', part.relid, case t.tgenabled when 'A' then 'enable always'
      when 'R' then 'enable replica' when 'D' then 'disable' else 'enable' end, t.tgname)
  from part cross join must t
) s
order by step, statement`
