// Package review is the anomaly queue: the rules that examine the log, their runs, and what reviewers decide about
// what the rules find.
//
// # From a rule to an anomaly
//
// A [Rule] is one SQL file. A run reads the events of the sealed batches since the rule's cursor and turns each match
// into an [Anomaly], identified by tenant, rule, actor and, where the rule says so, patient. The anomalies and the new
// cursor are committed together. A match
//
//   - whose events are in the queue already changes nothing: runs can be repeated;
//   - that a [Suppression] in force covers is stored as suppressed and counted;
//   - of an anomaly that is open is added to that one as evidence;
//   - of an anomaly that is closed or merged opens a new one, which names the old one, unless the rule lets a closed
//     anomaly take evidence for a time (dedup.on_closed: absorb).
//
// # States
//
//	a match --> new, or suppressed where a suppression covers it
//
//	new --claim--> claimed --assess--> in_review
//	    <--release-- claimed, in_review, waiting_info
//	    <--30 minutes without an edit-- claimed
//
//	claimed, in_review, waiting_info --wait--> waiting_info
//	claimed, in_review, waiting_info --escalate--> escalated
//
//	claimed, in_review, waiting_info, escalated
//	    --close--> closed, or merged as a duplicate
//	    --close, where a second person is needed--> pending_approval
//	                                                    --approve--> closed, or merged
//	                                                    --send back--> in_review
//
//	closed, merged --reopen--> in_review
//	closed as undetermined --its day has come--> new
//
// An anomaly is open in every state but closed, merged and suppressed. Every change is one event under the reviewer's
// user_id and one row of the anomaly's history, in one transaction, and raises the version by one. Reviewers' changes
// name the version that the caller saw; another version is [tenancy.ErrConflict].
//
//	change     who                         from                                to
//	a match    the worker                  -                                   new, suppressed
//	claim      compliance officer          new                                 claimed
//	                                       claimed, in_review, waiting_info,   the same state
//	                                       escalated: see "Who holds it"
//	take       compliance officer          new; another open state but         claimed; the same
//	                                       pending_approval
//	assign     compliance officer          new; another open state but         claimed; the same
//	                                       pending_approval
//	release    who holds it                claimed, in_review, waiting_info    new
//	                                       escalated                           escalated
//	assess     who holds it                claimed                             in_review
//	                                       in_review, waiting_info, escalated  the same state
//	wait       who holds it                claimed, in_review, waiting_info    waiting_info
//	escalate   who holds it                claimed, in_review, waiting_info,   escalated
//	                                       escalated
//	close      who holds it                claimed, in_review, waiting_info,   closed, merged,
//	                                       escalated                           pending_approval
//	close many compliance officer          new; own or nobody's claimed,       closed, merged,
//	                                       in_review, waiting_info             pending_approval
//	approve    another compliance officer  pending_approval                    closed, merged
//	send back  another compliance officer  pending_approval                    in_review
//	reopen     compliance officer          closed, merged                      in_review, held by them
//	time       the worker                  claimed, 30 min without an edit     new, still assigned
//	                                       closed as undetermined, its day     new
//	                                       has come
//
// A note, a file, a link, a proposed date of discovery, a law-enforcement hold and the record of a notice change no
// state.
//
// # What each change demands
//
//   - The reviewer has a grant as compliance officer that reaches the anomaly's clinic. Auditors, administrators and
//     on-call engineers look and change nothing.
//   - The reviewer has no conflict of interest: the anomaly is not about what they did, nor about a patient who they
//     are or whose portal account is theirs, under any account linked to them ([LinkAccounts]). The same holds of the
//     person to whom an anomaly is assigned.
//   - Whoever approves a closing did not close it, under any of their accounts.
//   - A reason of at least four characters, for every change but claim, assess and note.
//   - To close: a [Disposition] and the fields that it demands. A second person approves where the anomaly's rule is
//     of tier A or the disposition says so (authorised_service, policy_violation_no_breach,
//     impermissible_low_probability, breach, undetermined). A proposed date of discovery is answered before a breach
//     is closed.
//   - To close several at once ([CloseMany]): 1 to 50 of one rule and one clinic, none of tier A, with a disposition
//     that permits it, and their number. All are closed or none.
//   - To assess: each of the four factors of 45 CFR 164.402(2) in 10 to 10,000 characters.
//   - To reopen: no newer anomaly of the same matter is open.
//
// Constraints and triggers on the tables demand the conflict of interest, the second person and the fields of a
// closing too, so that they bind whoever has the tables in hand.
//
// # Who holds it
//
// "Assigned to" lasts until the anomaly is released, taken or assigned to somebody else. The right to edit is a lease
// of 30 minutes, which every change of the holder renews. Assigning gives no lease: the new holder claims first.
//
// Claiming is possible where the anomaly is new, where it is assigned to nobody or to the caller, and where somebody
// claimed it and let the lease run out without going on. Everything else is somebody's: [Take] takes it over with a
// reason, also while they edit, and the history shows them who did. Errors:
//
//   - [tenancy.ErrNotYours]: somebody else has the anomaly.
//   - [tenancy.ErrNoLease]: the caller has not claimed it, or the lease is over.
//   - [tenancy.ErrWrongState]: its state does not allow the change.
//   - [tenancy.ErrConflictOfInterest]: it is about the caller, or about a patient who the caller is.
//   - [tenancy.ErrSeparation]: a second person has to do this.
//
// # Breaches
//
// The clocks of 45 CFR 164.404 to 164.412 run from the date of discovery, the day on which the anomaly was found.
// Another date counts once a second person has confirmed it ([Discovered], [ConfirmDiscovery]). [NotificationDeadline]
// says who must be notified by when; [Notified] records a notice and stops its clock; [LawHold] delays the federal
// dates. Until an anomaly is decided the dates are those that hold if it is a breach.
//
// # Suppressions, evidence, certification
//
// A [Suppression] takes two people, a ticket and an end: at most 90 days, of a rule of tier A 7. It holds back what a
// rule finds about one matter at one clinic, but nothing that its own two people did. What it held back stays in the
// queue as suppressed, with its evidence.
//
// The evidence of a period ([MakeEvidence]) is a directory with a manifest of hashes. [Certify] signs a statement over
// it, [ApproveCertification] is another person's approval, and both are events that can be proven from the archive.
package review
