package store

import (
	"net/http"
	"strconv"

	"imreport/internal/i18n"
	"imreport/internal/review"
	"imreport/internal/web"
)

// widgetView is a shop's published reviews, for its own pages.
type widgetView struct {
	Reviews  []review.Review
	Rating   review.Rating
	Shop     string
	Product  string
	Data     map[string]any // JSON-LD; nil without reviews
	Fragment bool
	Photos   string // where pictures are
	Rewarded bool   // some review was rewarded
}

// widgetPolicy lets other sites show the widget in a frame.
const widgetPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors *"

// widget shows published reviews of a shop, or of one product (?product=), as
// a page for an iframe, or with ?format=fragment as the part to put into a page
// of the shop's own server. Both carry JSON-LD as schema.org wants it.
func (s *Store) widget(w http.ResponseWriter, r *http.Request) error {
	sh, err := s.d.Shops.ByID(r.Context(), nil, r.PathValue("shop"))
	if err != nil {
		return err
	}
	q := r.URL.Query()
	product := q.Get("product")
	limit := 10
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && n > 0 {
		limit = min(n, 50)
	}
	v := widgetView{Shop: sh.Name, Fragment: q.Get("format") == "fragment", Photos: s.site.PublicURL(r) + "/review-photos/"}
	if v.Rating, err = s.d.Reviews.Rating(r.Context(), sh.ID, product); err != nil {
		return err
	}
	v.Reviews, err = s.d.Reviews.Reviews(r.Context(), sh.ID, review.ReviewFilter{State: review.Published, ProductID: product}, "", limit)
	if err != nil {
		return err
	}
	for _, x := range v.Reviews {
		v.Rewarded = v.Rewarded || x.Incentivised
		if product != "" {
			v.Product = x.Product
		}
	}
	v.Data = linked(v)
	l := langFor(r, sh.Lang)
	if asked, ok := i18n.Parse(q.Get("lang")); ok {
		l = asked
	}
	h := w.Header()
	h.Set("Content-Security-Policy", widgetPolicy)
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", "public, max-age=60")
	web.Of(r.Context()).Lang = l
	name := "widget"
	if v.Fragment {
		name = "widget-fragment"
	}
	return s.show(w, http.StatusOK, name, publicPage{Lang: l, Title: i18n.T(l, "shopui.widget.title", sh.Name), Shop: sh.Name, Data: v})
}

// linked is the JSON-LD of the reviews: of the product, or of the shop as a
// whole.
func linked(v widgetView) map[string]any {
	if v.Rating.Count == 0 {
		return nil
	}
	thing := map[string]any{
		"@context": "https://schema.org", "@type": "Organization", "name": v.Shop,
		"aggregateRating": map[string]any{"@type": "AggregateRating", "ratingValue": float64(int(v.Rating.Average*10+0.5)) / 10,
			"reviewCount": v.Rating.Count, "bestRating": 5, "worstRating": 1},
	}
	if v.Product != "" {
		thing["@type"], thing["name"] = "Product", v.Product
	}
	var all []any
	for _, x := range v.Reviews {
		author := x.Author
		if author == "" {
			author = "-"
		}
		one := map[string]any{
			"@type": "Review", "datePublished": x.CreatedAt.Format("2006-01-02"), "author": map[string]any{"@type": "Person", "name": author},
			"reviewRating": map[string]any{"@type": "Rating", "ratingValue": x.Stars, "bestRating": 5, "worstRating": 1},
		}
		if x.Text != "" {
			one["reviewBody"] = x.Text
		}
		all = append(all, one)
	}
	thing["review"] = all
	return thing
}
