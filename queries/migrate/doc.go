// Package migrate brings a database to the schema that package queries holds, and tells a database that is at another
// one.
//
// An installation and an upgrade are the same call, [Run]:
//
//  1. The numbered files of tables/ that the database has not seen are run in order.
//  2. Views, functions and triggers whose file differs from what core.object says the database has are made anew. So is
//     one that the catalog shows changed by hand. Views and triggers that no file defines any more are dropped.
//  3. All of it is one transaction: an error leaves the database as it was. No lock is waited for longer than
//     [LockTimeout]; the transaction is rolled back and tried again instead, so that an application goes on working.
//  4. What tenancy.protect made for the application's tables by an older generator is made anew, a table at a time,
//     each in its own transaction.
//  5. Functions that no file defines any more are dropped, in a last transaction. A function that something still uses
//     stays, and is named.
//
// A function whose signature changes is a new function. The old one gets another name and goes in step 5. Until then,
// the policies, triggers and views of protected tables use it. Those of ward's own views, triggers and functions that
// use it are made anew in step 2. A policy, check, default or index of one of ward's tables that uses it needs a
// numbered file.
//
// A view whose columns go or change is dropped and made, with ward's views that rest on it. A change of the type that a
// function returns, or of the name of an argument, needs a numbered file that drops the old function first.
package migrate
