select review.browse($1, $2)
