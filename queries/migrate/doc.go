// Package migrate brings a database to the schema that package queries holds, and tells a database that is at another
// one.
//
// An installation and an upgrade are the same call, [Run]:
//
//  1. The numbered files of tables/ that the database has not seen are applied in order, by goose.
//  2. Views, functions and triggers whose file differs from what core.object says the database has are made anew. So is
//     one that the catalog shows changed by hand. What no file defines any more is dropped.
//  3. All of it is one transaction: an error leaves the database as it was. No lock is waited for longer than
//     [LockTimeout]; the transaction is rolled back and tried again instead, so that an application goes on working.
//  4. What tenancy.protect made for the application's tables by an older generator is made anew, a table at a time,
//     each in its own transaction.
//
// A function whose signature changes is a new function; the old one is dropped after everything that used it was made
// anew. A change of the type that a function returns, or of a view's existing columns, needs a numbered file that drops
// the old one first, since PostgreSQL replaces neither.
package migrate
