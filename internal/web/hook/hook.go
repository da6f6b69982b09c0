// Package hook takes the webhooks of shops: one address per shop, which
// carries the shop's access code. Who calls is a program, so every refusal is
// a problem document.
package hook

import (
	"io"
	"net/http"

	"imreport/internal/i18n"
	"imreport/internal/shopify"
	"imreport/internal/web"
)

// Mount adds POST /hooks/shopify/{access_code}.
func Mount(site *web.Site, s *shopify.Service) {
	take := func(w http.ResponseWriter, r *http.Request) error {
		if h := r.Header.Get("Accept-Language"); h != "" {
			web.Of(r.Context()).Lang = i18n.Accept(h)
		}
		if err := s.Known(r.Context(), r.PathValue("code")); err != nil {
			return err // before anything of the body is taken
		}
		web.MaxBody(w, r, shopify.BodyMax)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err // too large is 413, a broken connection nobody reads
		}
		if err := s.Receive(r.Context(), r.PathValue("code"), shopify.NewDelivery(r.Header, body)); err != nil {
			return err
		}
		w.WriteHeader(http.StatusOK)
		return nil
	}
	site.Plain("POST /hooks/shopify/{code}", take)
	site.Plain("POST /hooks/shopify/{$}", take)
	site.Plain("POST /hooks/shopify", take)
}
