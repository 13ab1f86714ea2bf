// Package clinic simulates telehealth clinics: their people, patients, and what everybody did over some months, with
// labelled misbehaviour in it. It makes the misbehaviour and must not know the rules that look for it, so it imports
// tenancy and never review.
//
// A [History] is a pure function of its [Config]: one seed gives one sequence of events, whose [History.Digest] tells
// two histories apart. [History.Load] puts it into the private database of a demonstration, [History.Live] adds
// sessions "now" through the same SQL API that an application uses. Names are invented; a resemblance to a person is
// chance.
//
// # What explains an ordinary access
//
// Every ordinary access has a cause, written as rows whose ids and times review.relationship keeps (T is the time of
// the access, p the patient):
//
//   - clinician, nurse, purpose treatment (and their writes, which carry no purpose). A row of the actor's own with p,
//     in the same clinic: an appointment that somebody else booked, known at T, scheduled from 30 days before to 14
//     days after T, and not cancelled more than a day before T; or an encounter recorded by somebody else, or known at
//     T, that starts at most 2 days after T, ended at most 30 days before T and is known at most 48 hours after T; or a
//     message that p sent to the actor, at most 30 days before T; or the care team's row, which the desk wrote; or the
//     roster says that the actor stands in for somebody at T whose patient p is by one of these. Purpose break_glass is
//     on call only, and an encounter follows within two hours. A nurse has appointments of her own, the intake calls a
//     quarter of an hour before the visits that she assists. Who covers for a colleague's visit has an appointment that
//     the desk rebooked, or an encounter that somebody else recorded. Documentation is late by minutes to three days.
//   - front_desk, purpose operations, patients and appointments only. An appointment of p with anybody at the clinic,
//     known at most an hour after T, scheduled from 7 days before to 30 days after T. Cancelled ones count: cancelling
//     is the desk's work.
//   - billing, purpose payment. A claim of p handled by the actor, submitted at T or at most 60 days before. Claims are
//     made and assigned 2 to 60 days after the visit by the service account svc-claims, not by the biller.
//   - records, purpose patient_request (exports, at most 25 records). A message that p sent to the actor at most 14
//     days before T. Purpose operations (chart audits, views). An encounter of p with anybody at the clinic, known at
//     T, ended at most 45 days before T; a few patients a day.
//   - service accounts. A row of tenancy.service_permission: account, clinic (or every one), action, table, hours in
//     UTC.
//
// Staff are at work in shifts of their clinic's time zone, days, evenings and nights, with leave, and clinicians on
// call by the week; a clinician may write a late note from home. Nobody acts after the day that HR gives as the last
// (ended_on, which ends at midnight UTC), although the membership is terminated up to nine days later. A mistyped id is
// one denied view, not several. Daily numbers of distinct patients vary with the schedule, leave and weekends: a day
// of 25 or more stays below four times the person's own median, but for campaigns, on which a whole role works through
// a list. Nobody opens a chart of their own in the course of work.
//
// Some looks happen in another system, whose log ward imports: minutes late, days late after an outage, out of order,
// and some of them twice.
//
// A history of 1,000 people, 22,000 patients and 260,000 events has about 220 accesses for each person and 10 for each
// patient, the ratios of the log of a hospital that Chen et al. 2012 (Security Informatics 1:5) describe; nothing else
// of it is calibrated to a real clinic.
//
// Not simulated: refreshing of tokens, the directory's own changes (they happen through the application of record), and
// what no field of an event would show (families, neighbours, people of note, a shared password).
//
// # Labels
//
// Each misbehaviour ("incident") has a benign twin of the same shape with a legitimate cause. See [Scenarios]. A label
// says how many records, since when, and how the actor keeps from being noticed. The answer key is a file of its owner
// alone; nothing in the database tells a labelled event from another.
package clinic
