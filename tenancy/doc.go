// Package tenancy is what application code uses: it proves an identity to the database, reads PHI only after a
// committed disclosure, and keeps the directory of tenants, users and memberships.
//
// A [DB] is a pool of connections as one of ward's login roles. A [Session] is one person, or one service, signed in
// on it. A [Tx] is one transaction under that identity.
//
// # Identity
//
// [DB.SignIn] checks a password, [DB.SignInOIDC] an identity provider's token, [DB.SignInService] a service account's
// secret. Each yields [Tokens]: an access token of at most ten minutes, which the database signs with a key that no
// login can read, and a refresh token, which works once. A [Session] refreshes by itself; processes that share one
// session share a [TokenStore].
//
// Every transaction begins with tenancy.begin(token, disclosure), which the package calls. It checks the signature,
// the expiry, the session, the membership, the audience and the region. The tenant comes from the verified token; SQL
// cannot change it. The identity ends with the transaction, and after 60 s at the latest. So a revoked session and a
// terminated membership take effect at the next transaction, not when the token runs out.
//
// # Ask, commit, look
//
// No PHI value leaves the database before an audit event is durable that says who reads which record, at which clinic
// and why. Reading is therefore two transactions. The first one asks: it writes one event for each record and returns
// nothing. The second one looks: phi.<table> shows the records that were asked for, to this session only, for a lease
// of 30 s.
//
//	Session.Read                                  database
//	     |                                            |
//	     |  1. ask                                    |
//	     |-- tenancy.ask(token, disclosure, table, -->|  checks the token and the role's permission,
//	     |       ids, purpose)                        |  writes one event an id, reads no PHI table
//	     |-- commit --------------------------------->|  flushes the events to disk
//	     |                                            |
//	     |  2. look                                   |
//	     |-- tenancy.begin(token, disclosure) ------->|  checks the token again
//	     |-- select ... from phi.patients ----------->|  shows the records of the committed disclosure
//	     |-- commit --------------------------------->|
//	     |<-- the rows -------------------------------|
//	     |                                            |
//	  hands out the rows
//
// All of it travels in one round trip. The server skips everything after an error, so the look never runs where the
// ask has failed. The rows are handed out only after the last commit has succeeded.
//
// What rolls back has shown nothing: the ask reads no PHI, and the look can only begin once the ask is committed.
// Without a committed disclosure phi.<table> raises an error instead of returning no rows, because an empty chart
// would read as "no allergies".
//
// [Session.Write] changes and deletes existing records in the same way, under a disclosure; inserts need none. A
// trigger writes the event of each change in the transaction of the change. [Session.Again] runs more statements under
// a disclosure while its lease lasts.
//
// [Session.Find] searches without raw SQL and has one step more. The first transaction records the search: columns,
// operators and keyed hashes of the values, never the values. The second one evaluates exactly that search and writes
// one event for each record found. The third one reads those records. A search that finds nothing is on record too.
//
// Reviewers look at events and anomalies by the same rule: [Session.Look] commits the event of the look and then
// reads.
//
// # Errors
//
//   - [*RefusedError]: the database did not accept the identity. The refusal is an event.
//   - [*DeniedError]: the database refused a statement. It carries a [Code] for programs, the SQLSTATE, a message for a
//     person and, where there is one, a hint. errors.Is tells [ErrConflict] and its like apart.
//   - [*UnreachableError]: the database did not answer, or the connection was lost. Whether a write was committed is
//     then unknown.
//
// The statements of a [Tx] return their errors in this form already. The server's DETAIL, which may hold values of a
// row, is dropped.
package tenancy
