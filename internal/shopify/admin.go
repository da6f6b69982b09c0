package shopify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"imreport/internal/quota"
	"imreport/internal/shop"
)

// apiVersion of the Admin API: quarterly, supported for a year.
const apiVersion = "2026-10"

// answerMax bounds an answer of the Admin API, bytes.
const answerMax = 32 << 20

// errToken: the Admin API does not know the token any more.
var errToken = errors.New("the Admin API refuses the token")

// admin asks the Admin API of one shop.
type admin struct {
	s     *Service
	shop  shop.Shop
	token string
	flow  *quota.Flow
	costs map[string]float64 // what an operation asked for last, points
}

func (s *Service) admin(ctx context.Context, sh shop.Shop) (*admin, error) {
	token, err := s.shops.AdminToken(ctx, sh.ID)
	if err != nil {
		return nil, err
	}
	flow := s.o.Gate.Flow(quota.FlowOptions{ID: sh.ID, Tenant: sh.WorkspaceID, Class: quota.Bulk})
	return &admin{s: s, shop: sh, token: token, flow: flow, costs: map[string]float64{}}, nil
}

func (a *admin) url() string {
	base := cmp.Or(a.s.o.AdminURL, "https://{shop}")
	return strings.TrimSuffix(strings.ReplaceAll(base, "{shop}", a.shop.Domain), "/") + "/admin/api/" + apiVersion + "/graphql.json"
}

// answer is what every reply of the Admin API has.
type answer struct {
	Data   json.RawMessage `json:"data"`
	Errors []struct {
		Message    string `json:"message"`
		Extensions struct {
			Code string `json:"code"`
		} `json:"extensions"`
	} `json:"errors"`
	Extensions struct {
		Cost struct {
			Requested float64 `json:"requestedQueryCost"`
			Throttle  *struct {
				Max       float64 `json:"maximumAvailable"`
				Available float64 `json:"currentlyAvailable"`
				Restore   float64 `json:"restoreRate"`
			} `json:"throttleStatus"`
		} `json:"cost"`
	} `json:"extensions"`
}

// firstCost is what a query is taken to cost before the first answer tells,
// points; the most that one may cost is 1,000 (docs/orders.md).
const firstCost = 100

// query runs one GraphQL query into out. The gate paces it by the budget that
// the answers tell; a throttled query waits and goes again.
func (a *admin) query(ctx context.Context, name, text string, variables map[string]any, out any) error {
	body, err := json.Marshal(map[string]any{"query": text, "variables": variables})
	if err != nil {
		return err
	}
	call := quota.Call{Scopes: []quota.Scope{{Kind: quota.Shop, ID: a.shop.Domain}}, Operation: "shopify." + name,
		Cost: cmp.Or(a.costs[name], firstCost)}
	return a.s.o.Gate.Do(ctx, a.flow, call, func(ctx context.Context) (quota.Answer, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url(), bytes.NewReader(body))
		if err != nil {
			return quota.Answer{}, err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Shopify-Access-Token", a.token)
		res, err := a.s.o.HTTP.Do(req)
		if err != nil {
			return quota.Answer{}, fmt.Errorf("admin api %s: %w", name, err)
		}
		defer func() { _ = res.Body.Close() }()
		return a.read(name, res, out)
	})
}

func (a *admin) read(name string, res *http.Response, out any) (q quota.Answer, err error) {
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		s, _ := strconv.ParseFloat(res.Header.Get("Retry-After"), 64) // "2.0"
		return quota.Answer{Refused: true, RetryAfter: time.Duration(s * float64(time.Second))}, nil
	case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
		return q, errToken
	case res.StatusCode != http.StatusOK:
		return q, fmt.Errorf("admin api %s: %s", name, res.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, answerMax))
	if err != nil {
		return q, fmt.Errorf("admin api %s: %w", name, err)
	}
	var r answer
	if err := json.Unmarshal(raw, &r); err != nil {
		return q, fmt.Errorf("admin api %s: %w", name, err)
	}
	if c := r.Extensions.Cost; c.Requested > 0 {
		a.costs[name] = c.Requested
	}
	if t := r.Extensions.Cost.Throttle; t != nil {
		q.Budget = &quota.Budget{Available: t.Available, Max: t.Max, Restore: t.Restore}
	}
	if len(r.Errors) > 0 {
		e := r.Errors[0]
		switch e.Extensions.Code {
		case "THROTTLED": // HTTP 200 all the same
			q.Refused = true
			if t := r.Extensions.Cost.Throttle; t != nil && t.Restore > 0 {
				q.RetryAfter = time.Duration(max(0, r.Extensions.Cost.Requested-t.Available) / t.Restore * float64(time.Second))
			}
			return q, nil
		case "ACCESS_DENIED":
			return q, fmt.Errorf("%w: %s", errToken, clean(e.Message, 200))
		}
		return q, fmt.Errorf("admin api %s: %s", name, clean(e.Message, 200))
	}
	if len(r.Data) == 0 || string(r.Data) == "null" {
		return q, fmt.Errorf("admin api %s: an answer without data", name)
	}
	if err := json.Unmarshal(r.Data, out); err != nil {
		return q, fmt.Errorf("admin api %s: %w", name, err)
	}
	return q, nil
}
