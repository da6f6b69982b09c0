package api

import (
	"context"
	"math"
	"slices"
	"time"

	"imreport/internal/account"
	"imreport/internal/i18n"
	"imreport/internal/quota"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

type apiKeyDoc struct {
	ID              string     `json:"id"`
	Name            string     `json:"name"`
	Platform        string     `json:"platform" enum:"naver_searchad"`
	License         string     `json:"license"`
	OwnerCustomerID *string    `json:"owner_customer_id"`
	HeadRoom        int        `json:"head_room_percent"`
	Valid           bool       `json:"valid"`
	Reason          *reason    `json:"reason"`
	InvalidSince    *time.Time `json:"invalid_since"`
	ProvedAt        *time.Time `json:"proved_at"`
	CreatedAt       time.Time  `json:"created_at"`
	UpdatedAt       time.Time  `json:"updated_at"`
}

type newKeyBody struct {
	Name            string    `json:"name" required:"true"`
	Platform        string    `json:"platform" enum:"naver_searchad" default:"naver_searchad"`
	License         string    `json:"license" required:"true"`
	Secret          string    `json:"secret" required:"true"`
	OwnerCustomerID rest.Text `json:"owner_customer_id"`
	HeadRoom        int       `json:"head_room_percent"`
}

type changeKeyBody struct {
	Name            *string                  `json:"name"`
	License         *string                  `json:"license"`
	Secret          *string                  `json:"secret"`
	OwnerCustomerID rest.Optional[rest.Text] `json:"owner_customer_id"`
	HeadRoom        *int                     `json:"head_room_percent"`
}

type syncedDoc struct {
	Found int `json:"found"`
	Added int `json:"added"`
}

type usageDoc struct {
	Scopes      []quota.ScopeUsage  `json:"scopes"`
	Queue       queueDoc            `json:"queue"`
	ExpectedEnd *quota.Range        `json:"expected_end"`
	Workspaces  []workspaceUsageDoc `json:"workspaces"`
	Spared      sparedDoc           `json:"spared"`
}

type sparedDoc struct {
	Since    *time.Time    `json:"since"`
	Requests int64         `json:"requests"`
	By       []sparedByDoc `json:"by"`
}

type sparedByDoc struct {
	Why      string `json:"why" enum:"kept,shared,lists,polls,idle"`
	Text     string `json:"text"`
	Requests int64  `json:"requests"`
}

// workspaceUsageDoc is the part of the caller's workspace (own), or of all others
// that the licence serves, together: they are not named to each other.
type workspaceUsageDoc struct {
	Own   bool     `json:"own"`
	Queue queueDoc `json:"queue"`
	Slots int64    `json:"slots"`
}

type queueDoc struct {
	Interactive int `json:"interactive"`
	Bulk        int `json:"bulk"`
	Backfill    int `json:"backfill"`
}

func (a *API) keyCalls() []rest.Operation {
	const tag = "api-keys"
	return []rest.Operation{
		rest.Op("POST", "/api-keys", "createApiKey", tag, 201, creates(workspace.WriteKeys, "api_key.create"), a.createKey),
		rest.Op("GET", "/api-keys", "listApiKeys", tag, 200, reads(workspace.ReadAccounts), a.listKeys).With(rest.Paging...),
		rest.Op("GET", "/api-keys/{id}", "getApiKey", tag, 200, reads(workspace.ReadAccounts), a.getKey),
		rest.Op("PATCH", "/api-keys/{id}", "changeApiKey", tag, 200, writes(workspace.WriteKeys, "api_key.change"), a.changeKey),
		rest.Op("DELETE", "/api-keys/{id}", "deleteApiKey", tag, 204, writes(workspace.WriteKeys, "api_key.delete"), a.deleteKey).
			With(rest.Param{Name: "with_accounts", Type: "boolean"}).Fails(409, "key_in_use"),
		rest.Op("POST", "/api-keys/{id}/sync", "syncApiKey", tag, 200, writes(workspace.WriteKeys, "api_key.sync"), a.syncKey).
			Fails(422, "license_refused", "secret_refused", "key_refused"),
		rest.Op("GET", "/api-keys/{id}/usage", "getApiKeyUsage", tag, 200, reads(workspace.ReadAccounts), a.keyUsage),
	}
}

func keyDoc(l i18n.Lang, k account.Key) apiKeyDoc {
	d := apiKeyDoc{
		ID: k.ID, Name: k.Name, Platform: k.Platform, License: k.License, HeadRoom: k.HeadRoom, Valid: k.Valid,
		InvalidSince: instant(k.InvalidAt), ProvedAt: instant(k.ProvedAt), CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt,
	}
	if k.OwnerCustomer != "" {
		d.OwnerCustomerID = &k.OwnerCustomer
	}
	if !k.Valid {
		d.Reason = &reason{Code: string(k.Reason), Text: i18n.T(l, "account.reason."+string(k.Reason))}
	}
	return d
}

func keyID(k account.Key) string { return k.ID }

func (a *API) createKey(ctx context.Context, c *rest.Call, in *newKeyBody) (apiKeyDoc, error) {
	k, err := a.d.Accounts.AddKey(ctx, c.Workspace(), account.NewKey{
		Name: in.Name, Platform: in.Platform, License: in.License, Secret: in.Secret,
		OwnerCustomer: string(in.OwnerCustomerID), HeadRoom: in.HeadRoom,
	}, a.now())
	if err != nil {
		return apiKeyDoc{}, err
	}
	c.Created("/api-keys", k.ID, k.Name)
	return keyDoc(c.Lang, k), nil
}

func (a *API) listKeys(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[apiKeyDoc], error) {
	return rest.List(c, func(cursor string, limit int) ([]account.Key, error) {
		return a.d.Accounts.Keys(ctx, c.Workspace(), cursor, limit)
	}, keyID, func(k account.Key) apiKeyDoc { return keyDoc(c.Lang, k) })
}

func (a *API) getKey(ctx context.Context, c *rest.Call, _ *rest.None) (apiKeyDoc, error) {
	k, err := a.d.Accounts.Key(ctx, c.Workspace(), c.ID())
	return keyDoc(c.Lang, k), err
}

func (a *API) changeKey(ctx context.Context, c *rest.Call, in *changeKeyBody) (apiKeyDoc, error) {
	change := account.KeyChange{Name: in.Name, License: in.License, Secret: in.Secret, HeadRoom: in.HeadRoom}
	if in.OwnerCustomerID.Set {
		owner := string(in.OwnerCustomerID.V) // empty for null: forget it
		change.OwnerCustomer = &owner
	}
	k, err := a.d.Accounts.UpdateKey(ctx, c.Workspace(), c.ID(), change, a.now())
	if err != nil {
		return apiKeyDoc{}, err
	}
	c.Subject(k.ID, k.Name)
	return keyDoc(c.Lang, k), nil
}

func (a *API) deleteKey(ctx context.Context, c *rest.Call, _ *rest.None) (none rest.None, err error) {
	with, err := c.Bool("with_accounts")
	if err != nil {
		return none, err
	}
	k, err := a.d.Accounts.Key(ctx, c.Workspace(), c.ID())
	if err != nil {
		return none, err
	}
	c.Subject(k.ID, k.Name)
	return none, a.d.Accounts.DeleteKey(ctx, c.Workspace(), k.ID, with, a.now())
}

func (a *API) syncKey(ctx context.Context, c *rest.Call, _ *rest.None) (syncedDoc, error) {
	c.Subject(c.ID(), "")
	r, err := a.d.Accounts.Sync(ctx, c.Workspace(), c.ID(), a.now())
	return syncedDoc(r), err
}

// keyUsage is how the key's licence is used. The licence may serve other
// workspaces too: their customers are left out.
func (a *API) keyUsage(ctx context.Context, c *rest.Call, _ *rest.None) (d usageDoc, err error) {
	k, err := a.d.Accounts.Key(ctx, c.Workspace(), c.ID())
	if err != nil {
		return d, err
	}
	u, err := a.d.Usage(ctx, k)
	if err != nil {
		return d, err
	}
	own, err := a.customers(ctx, c.Workspace())
	if err != nil {
		return d, err
	}
	d.Scopes = slices.DeleteFunc(slices.Clone(u.Scopes), func(s quota.ScopeUsage) bool {
		switch s.Kind {
		case quota.Customer, quota.CustomerReport, quota.CustomerKwtool:
			return !own[s.ID]
		}
		return false
	})
	if d.Scopes == nil {
		d.Scopes = []quota.ScopeUsage{}
	}
	d.Queue = queueOf(u.Queue)
	d.Workspaces = partsOf(u.Tenants, c.Workspace())
	for i := range d.Scopes {
		for _, v := range []*float64{&d.Scopes[i].RatePerS, &d.Scopes[i].Rate24h, &d.Scopes[i].Refused1m, &d.Scopes[i].Refused24h} {
			*v = math.Round(*v*1e5) / 1e5
		}
	}
	d.ExpectedEnd = wholeSeconds(u.ExpectedEnd)
	d.Spared, err = a.spared(ctx, c, k.ID)
	return d, err
}

func queueOf(n map[string]int) queueDoc {
	return queueDoc{n[quota.Interactive.String()], n[quota.Bulk.String()], n[quota.Backfill.String()]}
}

// partsOf is the caller's workspace first, then the others, if there are any.
func partsOf(tenants []quota.TenantUsage, own string) []workspaceUsageDoc {
	all := []workspaceUsageDoc{{Own: true}}
	for _, t := range tenants {
		to := &all[0]
		if t.Tenant != own {
			if len(all) == 1 {
				all = append(all, workspaceUsageDoc{})
			}
			to = &all[1]
		}
		q := queueOf(t.Queue)
		to.Queue.Interactive += q.Interactive
		to.Queue.Bulk += q.Bulk
		to.Queue.Backfill += q.Backfill
		to.Slots += t.Slots
	}
	return all
}

// spared is what the workspace's keys were spared, or one of them.
func (a *API) spared(ctx context.Context, c *rest.Call, keyID string) (sparedDoc, error) {
	d := sparedDoc{By: []sparedByDoc{}}
	if a.d.Spared == nil {
		return d, nil
	}
	sp, err := a.d.Spared(ctx, c.Workspace(), keyID)
	d.Since, d.Requests = instant(sp.Since), sp.Requests
	for _, b := range sp.By {
		d.By = append(d.By, sparedByDoc{Why: b.Why, Text: i18n.T(c.Lang, "naver.spared."+b.Why), Requests: b.Requests})
	}
	return d, err
}

// customers are the customer ids of the workspace's ad accounts.
func (a *API) customers(ctx context.Context, workspaceID string) (map[string]bool, error) {
	const page = 500
	own, cursor := map[string]bool{}, ""
	for {
		all, err := a.d.Accounts.Accounts(ctx, workspaceID, "", cursor, page)
		if err != nil {
			return nil, err
		}
		for _, acc := range all {
			own[acc.CustomerID] = true
		}
		if len(all) < page {
			return own, nil
		}
		cursor = all[page-1].ID
	}
}
