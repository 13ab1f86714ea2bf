package tenancy_test

// catalogue is the list of known attacks on row security, by its own numbers.
func catalogue() []attack {
	return append(append(catalogueOfRows(), catalogueOfIdentity()...), catalogueOfServer()...)
}

func catalogueOfRows() []attack {
	return []attack{
		{"01", "owner_without_force", "The owner of a table reads it, since row security does not bind owners", closed, "row security is forced, and no policy names the owner", 0, ownerWithoutForce, true},
		{"02", "superuser_or_bypassrls_login", "A login is superuser or has BYPASSRLS", closed, "no login is, or can make itself so", 0, privilegedLogin, false},
		{"03", "reset_role_and_set_role", "RESET ROLE, SET ROLE and SET SESSION AUTHORIZATION to a role that may more", closed, "logins are members of nothing", 0, becomeAnother, false},
		{"04", "definer_function_of_the_owner", "A SECURITY DEFINER function of the owner reads past row security", closed, "FORCE binds the owner; no definer function has a privileged owner", 0, definerFunctionOfTheOwner, true},
		{"05", "search_path_shadow", "A temporary object shadows what a definer function names", closed, "every function pins search_path with pg_temp last", 0, shadowedSearchPath, true},
		{"06", "create_schema", "CREATE SCHEMA puts objects in the search path (CVE-2023-2454)", closed, "no login may create anything", 0, createSchema, true},
		{"07", "view_without_security_invoker", "A view reads as its owner", closed, "an owner's view shows nothing; the controls report it, and a superuser's (point 12)", 0, viewOfTheOwner, true},
		{"08", "materialised_view", "A materialised view keeps rows outside of row security", notApplicable, "ward has none; an owner's would be empty, and the controls report it", 0, materialisedView, true},
		{"09", "foreign_table", "A foreign table or server has no row security", notApplicable, "ward has none; `protect` refuses one", 0, foreignTable, true},
		{"10", "leaky_function_in_where", "A function of the attacker's own is shown rows before they are filtered", closed, "security barrier and OFFSET 0; no login may create functions", 0, leakyFunction, true},
		{"11", "error_side_channel", "A condition that fails for one value only", closed, "security barrier and OFFSET 0", 0, errorSideChannel, true},
		{"12", "leakproof_function", "The attacker declares a function leakproof", closed, "superusers only", 0, leakproofFunction, true},
		{"13", "foreign_key_oracle", "A foreign key tells whether another clinic's row exists", closed, "composite keys; `protect` refuses others", 0, foreignKeyOracle, true},
		{"14", "foreign_key_cascade", "A cascade deletes another clinic's rows", closed, "composite keys; the cascade's own rows are events", 0, foreignKeyCascade, true},
		{"15", "unique_constraint_oracle", "A unique constraint tells that another clinic has a value", closed, "unique indexes start with the tenant; within a clinic: point 2", 0, uniqueOracle, true},
		{"16", "on_conflict", "INSERT ... ON CONFLICT finds or changes rows", closed, "the tenant is in every key, and an undisclosed row refuses; a taken id of the same clinic: point 2", 0, onConflict, true},
		{"17", "merge", "MERGE changes rows that are not visible (CVE-2023-39418)", closed, "policies bind MERGE", 0, merge, true},
		{"18", "returning_and_moving_rows", "RETURNING shows columns; UPDATE moves a row to another clinic", closed, "column grants, then the policy, then the trigger", 0, movingRows, true},
		{"19", "permissive_policy", "A later permissive policy widens all others", closed, "the tenant's is restrictive; the controls report the other", 0, permissivePolicy, true},
		{"20", "empty_claims", "NULL tenant, empty or broken claims", closed, "no identity raises; tenant_id is NOT NULL", 0, emptyClaims, false},
	}
}

func catalogueOfIdentity() []attack {
	return []attack{
		{"21", "forged_setting", "set_config of the claims to another clinic's", closed, "the MAC over them", 0, forgedSetting, true},
		{"22", "read_key_or_call_mac", "Reading the keys, calling the signing functions", closed, "owned by ward_keys, granted to no login", 0, readKeys, false},
		{"23", "replayed_token", "The same token in another session", residual, "an access token works wherever it is shown until it runs out or its session ends", 17, replayedToken, false},
		{"24", "set_instead_of_set_local", "An identity stays in a pooled connection", closed, "settings end with the transaction, and the MAC is of that transaction", 0, sessionSetting, true},
		{"25", "cursor_with_hold", "A cursor WITH HOLD is read under the next identity", closed, "`begin` refuses the session; the pool does DISCARD ALL", 0, heldCursor, true},
		{"26", "claims_switched_before_fetch", "A cursor is declared under one identity and fetched under another", closed, "tenant and disclosure are those of the fetch", 0, identityBeforeFetch, false},
		{"27", "cached_plan", "A cached plan keeps another identity's policy (CVE-2023-2455, CVE-2024-10976)", closed, "policies ask functions, never the role", 0, cachedPlan, false},
		{"28", "session_authorization", "SET SESSION AUTHORIZATION against SET ROLE (CVE-2024-10978)", closed, "neither is granted; the server is newer than the fix", 0, sessionAuthorization, false},
		{"29", "partition_directly", "A partition is named instead of its table", closed, "forced row security without a policy on each", 0, partitionDirectly, true},
		{"30", "new_partition_default_privileges", "A new partition takes default privileges and no row security", closed, "ward sets none and closes its months; the controls report others", 0, newPartition, true},
		{"31", "attached_or_inheriting_table", "ATTACH PARTITION or INHERITS of an open table", closed, "owners only; the controls report it", 0, attachedTable, true},
		{"32", "truncate", "TRUNCATE is not bound by row security", closed, "granted to nobody; the controls report it", 0, truncate, true},
		{"33", "references", "REFERENCES allows an oracle of the attacker's own", closed, "granted to no login", 0, references, false},
		{"34", "copy", "COPY TO and COPY FROM", closed, "TO shows what a SELECT does; FROM is refused under row security", 0, copying, false},
		{"35", "row_security_off", "SET row_security = off", closed, "an error, not rows", 0, rowSecurityOff, false},
		{"36", "planner_statistics", "pg_stats, pg_statistic (CVE-2017-7484, CVE-2025-8713)", closed, "hidden by row security and column grants", 0, statistics, true},
		{"37", "explain_estimates", "EXPLAIN's estimates come from everybody's rows", residual, "roughly how many rows a clinic has whose id one knows; of PHI columns nothing", 9, estimates, true},
		{"38", "explain_analyze", "EXPLAIN ANALYZE counts the rows that a filter removed", closed, "keys start with the tenant; OFFSET 0", 0, explainAnalyze, true},
		{"39", "sizes", "reltuples, table sizes, backend ids", residual, "rows and bytes of a table over all clinics; that sessions exist", 9, sizes, true},
		{"40", "physical_place", "ctid and currtid2", closed, "revoked, and no grant on system columns", 0, physicalPlace, true},
		{"41", "timing", "The time of a look at another clinic's record", closed, "it does the same work as a look at nobody's", 0, timing, true},
		{"42", "statements_of_other_sessions", "pg_stat_activity of the same role", residual, "statement texts, through another database of the cluster; in this one it is revoked", 6, otherSessions, false},
	}
}

func catalogueOfServer() []attack {
	return []attack{
		{"43", "server_log", "Logs, pg_stat_statements and error details", residual, "what a client casts wrongly stands in the server's log; rows and bound values do not", 18, serverLog, true},
		{"44", "large_objects", "Large objects have no row security", closed, "the functions are revoked; no protected column refers to one", 0, largeObjects, true},
		{"45", "listen_notify", "A notification's payload is everybody's", notApplicable, "no function or trigger of ward notifies", 0, notifications, false},
		{"46", "advisory_locks", "Advisory locks have no privileges: one holds the sealer's", closed, "revoked from PUBLIC", 0, advisoryLocks, true},
		{"47", "sequences", "A sequence tells how much others wrote", closed, "no login reads one; ids are the client's random uuids", 0, sequences, false},
		{"48", "temporary_table", "A temporary table in the way of the application's SQL", closed, "TEMP is revoked; `begin` refuses such a session", 0, temporaryTable, true},
		{"49", "policy_function_shadow", "A function of the same name in pg_temp", closed, "policies and views are bound by OID", 0, shadowedPolicyFunction, true},
		{"50", "prepare_transaction", "PREPARE TRANSACTION, to be committed by another session", closed, "an ask refuses it; max_prepared_transactions is 0", 0, preparedTransaction, false},
		{"51", "alter_role_self", "ALTER ROLE of one's own defaults and password", residual, "nothing; a login can lock itself out", 5, ownSettings, true},
		{"52", "session_replication_role", "session_replication_role = replica switches triggers off", closed, "not granted; the triggers fire always", 0, replicaRole, false},
		{"53", "triggers_and_rules", "CREATE TRIGGER, RULE, POLICY and ALTER TABLE", closed, "owners only", 0, triggersAndRules, false},
		{"54", "extensions_and_languages", "dblink, untrusted languages, event triggers", closed, "pgcrypto alone is there; superusers only", 0, extensions, false},
		{"55", "publications_and_decoding", "A publication or a slot ignores row security", closed, "there is none; no login may make one", 0, publications, false},
		{"56", "dumps_and_backups", "pg_dump, and a stolen backup", residual, "a backup has everything, the keys too; a login cannot dump", 1, dumps, false},
		{"57", "pg_read_all_data", "Membership of a predefined role", closed, "no login has one; rows and keys stay hidden from it", 0, readAllData, true},
		{"58", "delete_in_a_partition", "DELETE and TRUNCATE of a partition of the history", closed, "triggers on each, for owners too", 0, deleteInPartition, true},
		{"59", "detach_a_partition", "DETACH and DROP of a partition of the history", residual, "an owner can; the published chain heads show it", 1, detachPartition, false},
		{"60", "erased_by_rollback", "Reading, then ROLLBACK of the event", closed, "ask, commit, then look", 0, erasedByRollback, true},
		{"61", "errors_of_partitions", "Errors show columns (CVE-2014-8161, CVE-2021-3393)", closed, "none shows the failing row under row security", 0, errorsOfPartitions, true},
		{"62", "maintenance_of_own_objects", "REFRESH and autovacuum run an attacker's function (CVE-2024-0985, CVE-2022-1552)", closed, "logins own nothing and may create nowhere", 0, nowhereToCreate, false},
		{"63", "own_operators", "Operators and estimators of the attacker's own (CVE-2026-2004)", closed, "logins may create none", 0, ownOperators, false},
	}
}

// more is what the catalogue does not have.
func more() []attack {
	return []attack{
		{"W01", "held_cursor_at_commit", "A cursor WITH HOLD, which COMMIT reads after its triggers, switches synchronous_commit off behind the durable trigger", closed, "an ask refuses to be committed beside one", 0, heldCursorAtCommit, true},
		{"W02", "identity_between_rows", "A client with tokens of two clinics begins as the second in the middle of the first one's cursor: a record of the one under an ask of the other", closed, "the view holds each row's tenant against the identity that its disclosure was asked of", 0, identityBetweenRows, true},
		{"W03", "begin_inside_xml", "cursor_to_xml and query_to_xml run a text that `begin` does not see", closed, "the same", 0, beginInsideXML, true},
		{"W04", "forged_notification", "A forged NOTIFY pauses or cancels the worker's jobs", closed, "the worker polls and listens to nothing (`TestForgedNotification`)", 0, forgedNotification, false},
		{"W05", "returning_old_and_new", "RETURNING old.*, new.* (PostgreSQL 18)", closed, "column grants", 0, returningOldAndNew, true},
		{"W06", "merge_returning", "MERGE ... BY SOURCE ... RETURNING (PostgreSQL 17)", closed, "column grants and policies", 0, mergeReturning, false},
		{"W07", "membership_in_oneself", "A login grants membership in itself", closed, "no login has the admin option on itself", 0, membershipInOneself, false},
		{"W08", "alter_default_privileges", "ALTER DEFAULT PRIVILEGES", closed, "of one's own objects, and logins have none", 0, defaultPrivileges, false},
		{"W09", "maintain", "VACUUM, ANALYZE, LOCK and the MAINTAIN privilege (PostgreSQL 17)", closed, "granted to nobody", 0, maintain, true},
		{"W10", "files_and_programs", "Files of the server, programs, its memory and its settings", closed, "revoked by PostgreSQL", 0, filesAndPrograms, false},
		{"W11", "signals", "pg_terminate_backend of sessions of the same role", residual, "nothing; it ends the other session", 11, signals, false},
		{"W12", "hidden_attempts", "A refused token, then ROLLBACK", residual, "that it was refused, with no event of it", 19, hiddenAttempts, false},
		{"W13", "columns_by_other_ways", "NATURAL JOIN, whole rows, GROUP BY, TABLESAMPLE, system columns, table_to_xml", closed, "column grants and policies", 0, columnsByOtherWays, false},
		{"W14", "locking_rows", "SELECT ... FOR UPDATE of undisclosed rows", closed, "policies bind it", 0, lockingRows, false},
		{"W15", "earlier_identity_by_savepoint", "ROLLBACK TO and DISCARD SEQUENCES bring an earlier identity back", closed, "the count of begins in the MAC", 0, earlierIdentity, false},
		{"W16", "pipeline_in_one_transaction", "Begin, ask and look in one pipeline without BEGIN", closed, "it is one transaction", 0, pipelineInOneTransaction, false},
		{"W17", "arguments", "Extreme arguments, NUL bytes, deep JSON, look-alike slugs", closed, "refused", 0, arguments, false},
		{"W18", "encodings", "client_encoding, and spaces that only a pattern takes for spaces", closed, "the server checks and converts first", 0, encodings, false},
		{"W19", "snapshots", "An exported or old snapshot", closed, "READ COMMITTED only", 0, snapshots, false},
		{"W20", "limits", "statement_timeout, lock_timeout and stack depth in the middle of an ask", closed, "all of its events or none", 0, limits, false},
		{"W21", "invoker_view", "A security_invoker view over a protected table", closed, "it shows what the caller may read", 0, invokerView, true},
		{"W22", "virtual_column", "A virtual generated column names the patient (PostgreSQL 18): triggers do not see it", closed, "`protect` and `relate` refuse it", 0, virtualColumn, true},
		{"W23", "temporal_constraint", "UNIQUE ... WITHOUT OVERLAPS (PostgreSQL 18) as an oracle", closed, "it starts with the tenant, and `protect` lists it", 0, temporalConstraint, true},
		{"W24", "histogram_of_ids", "EXPLAIN's estimates over ranges of ids", residual, "about a hundred random record ids of all clinics, by bisection; an id opens nothing", 9, histogramOfIDs, true},
		{"W25", "anonymous_blocks", "DO blocks and settings of plpgsql", closed, "`begin` and the durable trigger want statements of their own", 0, anonymousBlocks, false},
		{"W26", "update_from_view", "UPDATE ... FROM phi.x writes what it reads", closed, "both sides are disclosed rows", 0, copyOutOfView, true},
	}
}
