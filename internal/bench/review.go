package bench

import "context"

// Review measures the review: each entry sets up what it needs by itself.
func Review(ctx context.Context, o Options) ([]Figure, error) {
	var out []Figure
	for _, part := range []func(context.Context, Options) ([]Figure, error){
		reviewCost, reviewQueue, ReviewScore,
	} {
		figures, err := part(ctx, o)
		out = append(out, figures...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}
