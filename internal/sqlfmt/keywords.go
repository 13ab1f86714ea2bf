package sqlfmt

import "strings"

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// keywords are written in lower case, and no operand ends with one (but for operandWords). Words that are as often
// the name of a column (name, type, state, ...) are not among them.
var keywords = set(`
	add all alter always analyse analyze and any array as asc asymmetric authorization before begin between both
	by cascade case cast check collate column comment commit concurrently conflict constraint copy create cross
	current_catalog current_date current_role current_schema current_time current_timestamp current_user cursor
	database declare default deferrable deferred delete desc diagnostics distinct do domain drop each else elsif
	elseif end enum except exception exclude execute exists exit explain extension false fetch filter following
	for force foreign foreach from full function generated get grant group having if ilike immediate immutable in
	include index inherits initially inner insert instead intersect into is isnull join lateral language leading
	left like limit local localtime localtimestamp lock loop materialized merge natural next no not notice nothing
	notnull null nulls of offset on only open or order outer over overlaps partition perform placing policy
	preceding primary procedure query raise recursive references refresh reindex rename replace reset restrict
	return returning returns reverse revoke right rollback row rows savepoint schema select sequence session_user
	set setof share similar some stable stored strict symmetric table tablesample temp temporary then to trailing
	trigger true truncate unbounded union unique unlogged until update usage using vacuum values variadic view
	volatile when where while window with within without`)

// operandWords are keywords with which an operand ends.
var operandWords = set(`
	null true false end current_date current_role current_schema current_time current_timestamp current_user
	localtime localtimestamp session_user current_catalog default all row`)

// spacedWords have a blank before a parenthesis.
var spacedWords = set(`
	all always and any as between by case check collate conflict constraint copy cross default delete distinct
	else elsif elseif explain enum except exclude execute exists filter from full grant group having identity if
	ilike in include index inner insert intersect into is join key lateral like limit materialized nothing not
	notnull null of offset on only or order over partition perform primary query references return returning
	select set similar some stdin stdout stored table then to trigger union unique update until using values view
	when where while window with within`)

// blockWords are those after which a statement of plpgsql begins.
var blockWords = set("begin then else loop declare exception")

// headerWords are those with which the attributes of a function begin; they stand on the line of language.
var headerWords = set(`
	language immutable stable volatile strict called security leakproof parallel cost rows support window
	transform not external`)

// joinWords are those with which a join begins.
var joinWords = set("join left right full inner cross natural")
