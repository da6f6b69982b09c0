package shopapi

import (
	"context"
	"strconv"
	"time"

	"imreport/internal/errs"
	"imreport/internal/review"
	"imreport/internal/web/rest"
)

func itoa(n int) string { return strconv.Itoa(n) }

type reviewDoc struct {
	ID           string           `json:"id"`
	Order        messageOrderDoc  `json:"order"`
	Line         string           `json:"line"`
	ProductID    string           `json:"product_id"`
	Product      string           `json:"product"`
	Stars        int              `json:"stars"`
	Text         string           `json:"text"`
	Author       string           `json:"author"`
	Lang         string           `json:"lang"`
	State        string           `json:"state" enum:"pending,published,hidden"`
	Reply        *string          `json:"reply"`
	Incentivised bool             `json:"incentivised"`
	Photos       []reviewPhotoDoc `json:"photos"`
	CreatedAt    time.Time        `json:"created_at"`
	UpdatedAt    time.Time        `json:"updated_at"`
}

type reviewPhotoDoc struct {
	ID     string `json:"id"`
	URL    string `json:"url"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

type reviewLogDoc struct {
	State string    `json:"state"`
	Actor *string   `json:"actor"`
	Why   *string   `json:"why"`
	At    time.Time `json:"at"`
}

type moderateBody struct {
	State rest.Optional[string] `json:"state"`
	Why   string                `json:"why"`
	Reply rest.Optional[string] `json:"reply"`
}

type ratingDoc struct {
	Count   int     `json:"count"`
	Average float64 `json:"average"`
	Stars   []int   `json:"stars"`
}

func (a *API) reviewCalls() []rest.Operation {
	const tag = "shop-reviews"
	return []rest.Operation{
		rest.Op("GET", "/shop/reviews", "listReviews", tag, 200, a.reads(), a.listReviews).With(rest.Paging...).With(
			rest.Param{Name: "state", Type: "string"}, rest.Param{Name: "product", Type: "string"}, rest.Param{Name: "stars", Type: "integer"},
			rest.Param{Name: "order", Type: "string"}),
		rest.Op("GET", "/shop/reviews/{id}", "getReview", tag, 200, a.reads(), a.getReview),
		rest.Op("GET", "/shop/reviews/{id}/log", "getReviewLog", tag, 200, a.reads(), a.reviewLog),
		rest.Op("PATCH", "/shop/reviews/{id}", "moderateReview", tag, 200, a.does("review.moderate"), a.moderate),
		rest.Op("GET", "/shop/rating", "getRating", tag, 200, a.reads(), a.rating).With(rest.Param{Name: "product", Type: "string"}),
	}
}

func (a *API) reviewOf(c *rest.Call, v review.Review) reviewDoc {
	d := reviewDoc{ID: v.ID, Order: messageOrderDoc{ID: v.OrderID, ExternalID: v.ExternalID, Name: v.OrderName}, Line: v.Line, ProductID: v.ProductID, Product: v.Product, Stars: v.Stars,
		Text: v.Text, Author: v.Author, Lang: v.Lang, State: string(v.State), Reply: text(v.Reply), Incentivised: v.Incentivised, Photos: []reviewPhotoDoc{},
		CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt}
	for _, p := range v.Photos {
		d.Photos = append(d.Photos, reviewPhotoDoc{ID: p.ID, URL: a.site.PublicURL(c.R) + "/review-photos/" + p.ID, Width: p.Width, Height: p.Height})
	}
	return d
}

func (a *API) listReviews(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[reviewDoc], error) {
	f := review.ReviewFilter{State: review.Visibility(c.Query("state")), ProductID: c.Query("product")}
	if raw := c.Query("stars"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 || n > 5 {
			return rest.Page[reviewDoc]{}, errs.InvalidField("stars", "shopapi.stars_invalid")
		}
		f.Stars = n
	}
	if id := c.Query("order"); id != "" {
		o, err := a.d.Orders.Get(ctx, theShop(ctx).ID, id)
		if err != nil {
			return rest.Page[reviewDoc]{}, err
		}
		f.OrderID = o.ID
	}
	return rest.List(c, func(cursor string, limit int) ([]review.Review, error) {
		return a.d.Reviews.Reviews(ctx, theShop(ctx).ID, f, cursor, limit)
	}, func(v review.Review) string { return v.ID }, func(v review.Review) reviewDoc { return a.reviewOf(c, v) })
}

func (a *API) getReview(ctx context.Context, c *rest.Call, _ *rest.None) (reviewDoc, error) {
	v, err := a.d.Reviews.Review(ctx, theShop(ctx).ID, c.ID())
	return a.reviewOf(c, v), err
}

func (a *API) reviewLog(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[reviewLogDoc], error) {
	all, err := a.d.Reviews.ReviewLog(ctx, theShop(ctx).ID, c.ID())
	p := rest.Page[reviewLogDoc]{Items: []reviewLogDoc{}}
	for _, w := range all {
		p.Items = append(p.Items, reviewLogDoc{State: string(w.State), Actor: text(w.Actor), Why: text(w.Why), At: w.At})
	}
	return p, err
}

func (a *API) moderate(ctx context.Context, c *rest.Call, b *moderateBody) (reviewDoc, error) {
	id := theShop(ctx).ID
	if to := b.State.Pointer(); to != nil {
		if _, err := a.d.Reviews.Moderate(ctx, id, c.ID(), review.Visibility(*to), actor(c), b.Why); err != nil {
			return reviewDoc{}, err
		}
	}
	if b.Reply.Set {
		if _, err := a.d.Reviews.Answer(ctx, id, c.ID(), b.Reply.V, actor(c)); err != nil {
			return reviewDoc{}, err
		}
	}
	c.Subject(c.ID(), b.Why)
	return a.getReview(ctx, c, nil)
}

func (a *API) rating(ctx context.Context, c *rest.Call, _ *rest.None) (ratingDoc, error) {
	v, err := a.d.Reviews.Rating(ctx, theShop(ctx).ID, c.Query("product"))
	return ratingDoc{Count: v.Count, Average: v.Average, Stars: v.Stars[:]}, err
}
