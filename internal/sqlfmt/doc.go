// Package sqlfmt lays ward's SQL out: files of tables, functions in SQL and plpgsql, views, triggers, the queries of
// sqlc, review rules. docs/design/sql-format.md says why ward has a formatter of its own.
//
// # What holds
//
//   - Tokens and comments stay as they are and in their order. Only blanks and line ends change, keywords become
//     lower-case, a comment may be filled anew, and a comment behind a line that is too wide for it moves above that
//     line. [Format] checks this each time.
//   - Formatting what was formatted changes nothing. [Format] checks this as well.
//   - No line is wider than 120 columns, but for a string or a name that is too wide by itself, and for what is never
//     touched. [LongLines] tells them.
//
// # Lines
//
// A line break of the author stays where it is at a place fit for one, and the statement fits into 120 columns with
// it; every other one goes. A statement that does not fit is broken from the outside inwards: what fits on a line is
// written on one, what does not is broken at its own level and its parts are judged the same way, where parts that
// fit as the author broke them are left so.
//
//   - A query is broken before each clause. into, set, returning, on conflict, limit, offset, having and for stay
//     with the clause before them while they fit on its line.
//   - and, or and joins are broken before each; ||, + and - only where the line ends.
//   - A list (columns, arguments, items of select) is filled: as many items on a line as fit, and one that is wider
//     than 60 columns on a line of its own. The columns of a table, the arguments of a function's definition and the
//     tuples of values have a line each. So have all items of a list with comments between them. The key and the
//     value of jsonb_build_object are one item.
//   - A bracket is broken behind ( and before ), unless its only or its last argument can be broken instead:
//     coalesce((select ...), '[]').
//   - case is broken before each when, else and end; an assignment behind :=, a comparison before its operator, as a
//     last resort.
//   - The header of a function has a line for its arguments, returns, language with volatility, each set, and as $$.
//
// A statement has a line of its own, and so has each declaration where there are several. On the line of what
// encloses it may stand the one statement of "if x then y; end if;" (or of a loop), of "when x then y;" and the one
// declaration of "declare x int;", where the author has it there.
//
// # Indentation
//
// Two columns for each level: statements in a block, the contents of a bracket (from the line on which it opens), the
// branches of case, whatever goes on in the next line. The body of an SQL function is one level in, that of a plpgsql
// function is not. How far a line is indented depends on what encloses it, never on where else the author broke
// lines.
//
// # Blanks
//
// One between tokens; none inside brackets, before a comma or semicolon, round . :: .. -> ->> #> #>>, after a sign,
// between a function and its arguments. Keywords, and a table before its columns, have one before a parenthesis. At
// most one empty line between statements, none within one, none at the beginning and end of a block.
//
// # Comments
//
// A line of prose that is too wide is filled anew, with the lines of prose that directly follow it. Never touched are
// /* */ (the front matter of rules), directives (-- +goose, -- name:), lists, and text that is indented after the two
// dashes. Trailing comments of lines that follow each other are aligned, where there is room.
//
// Dollar strings are code where they are the body of do or of create function in plpgsql or SQL. Any other one is a
// string. Lines that begin with a backslash are psql's and end a statement. COPY ... FROM STDIN with its data is not
// read.
package sqlfmt
