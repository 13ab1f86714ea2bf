-- The rows of one list of a bundle, as they come: $1 its name.
select review.evidence_rows($1)
