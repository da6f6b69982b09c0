package api

import (
	"context"
	"time"

	"imreport/internal/account"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/web/rest"
	"imreport/internal/workspace"
)

type adAccountDoc struct {
	ID         string     `json:"id"`
	APIKeyID   string     `json:"api_key_id"`
	Platform   string     `json:"platform" enum:"naver_searchad"`
	CustomerID string     `json:"customer_id"`
	Name       string     `json:"name"`
	Role       *string    `json:"role"`
	ProvedAt   *time.Time `json:"proved_at"`
	CreatedAt  time.Time  `json:"created_at"`
	UpdatedAt  time.Time  `json:"updated_at"`
}

// addedAdAccountDoc is an ad account that was just added, and whether its key
// reaches it.
type addedAdAccountDoc struct {
	adAccountDoc
	Access accessDoc `json:"access"`
}

type accessDoc struct {
	State string `json:"state" enum:"reached,refused,not_checked"`
	Text  string `json:"text"`
}

type newAccountBody struct {
	APIKeyID   rest.Text `json:"api_key_id" required:"true"`
	CustomerID rest.Text `json:"customer_id" required:"true"`
	Name       string    `json:"name"`
}

type changeAccountBody struct {
	Name     *string `json:"name"`
	APIKeyID *string `json:"api_key_id"`
}

func (a *API) accountCalls() []rest.Operation {
	const tag = "ad-accounts"
	return []rest.Operation{
		rest.Op("POST", "/ad-accounts", "createAdAccount", tag, 201, creates(workspace.WriteAccounts, "ad_account.create"), a.createAccount).Or(200),
		rest.Op("GET", "/ad-accounts", "listAdAccounts", tag, 200, reads(workspace.ReadAccounts), a.listAccounts).
			With(rest.Paging...).With(rest.Param{Name: "api_key_id", Type: "string"}),
		rest.Op("GET", "/ad-accounts/{id}", "getAdAccount", tag, 200, reads(workspace.ReadAccounts), a.getAccount),
		rest.Op("PATCH", "/ad-accounts/{id}", "changeAdAccount", tag, 200, writes(workspace.WriteAccounts, "ad_account.change"), a.changeAccount),
		rest.Op("DELETE", "/ad-accounts/{id}", "deleteAdAccount", tag, 204, writes(workspace.WriteAccounts, "ad_account.delete"), a.deleteAccount).
			Fails(409, "in_use"),
	}
}

func accountDoc(v account.Account) adAccountDoc {
	d := adAccountDoc{
		ID: v.ID, APIKeyID: v.APIKeyID, Platform: v.Platform, CustomerID: v.CustomerID, Name: v.Name,
		ProvedAt: instant(v.ProvedAt), CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt,
	}
	if v.Role != "" {
		d.Role = &v.Role
	}
	return d
}

// createAccount answers 201 with a new ad account, 200 with one that the
// workspace knows already.
func (a *API) createAccount(ctx context.Context, c *rest.Call, in *newAccountBody) (d addedAdAccountDoc, err error) {
	v, created, err := a.d.Accounts.AddAccount(ctx, c.Workspace(), account.NewAccount{
		APIKeyID: string(in.APIKeyID), CustomerID: string(in.CustomerID), Name: in.Name,
	}, a.now())
	if err != nil {
		return d, err
	}
	if !created {
		c.Status = 200
		c.Unchanged()
	}
	c.Created("/ad-accounts", v.ID, v.Name)
	// It is added whatever the platform says: the key may be granted the right
	// later, or the platform be down now.
	access, why, err := a.d.Accounts.Reach(ctx, v, a.now())
	if err != nil {
		a.late(ctx, err)
	}
	d.Access = accessDoc{State: string(access), Text: AccessText(c.Lang, access, why)}
	if access == account.Reached {
		if now, err := a.d.Accounts.AccountIn(ctx, c.Workspace(), v.ID); err == nil {
			v = now
		}
	}
	d.adAccountDoc = accountDoc(v)
	return d, nil
}

// AccessText says in words whether a key reaches an ad account, and why not.
func AccessText(l i18n.Lang, access account.Access, why error) string {
	text := i18n.T(l, "account.access."+string(access))
	if e := errs.As(why); e != nil && access == account.OutOfReach {
		for _, part := range []string{".detail", ".action"} {
			text += " " + i18n.T(l, e.Key+part, e.Args...)
		}
	}
	return text
}

func (a *API) listAccounts(ctx context.Context, c *rest.Call, _ *rest.None) (rest.Page[adAccountDoc], error) {
	return rest.List(c, func(cursor string, limit int) ([]account.Account, error) {
		return a.d.Accounts.Accounts(ctx, c.Workspace(), c.Query("api_key_id"), cursor, limit)
	}, func(v account.Account) string { return v.ID }, accountDoc)
}

func (a *API) getAccount(ctx context.Context, c *rest.Call, _ *rest.None) (adAccountDoc, error) {
	v, err := a.d.Accounts.AccountIn(ctx, c.Workspace(), c.ID())
	return accountDoc(v), err
}

func (a *API) changeAccount(ctx context.Context, c *rest.Call, in *changeAccountBody) (adAccountDoc, error) {
	v, err := a.d.Accounts.UpdateAccount(ctx, c.Workspace(), c.ID(), account.AccountChange{Name: in.Name, APIKeyID: in.APIKeyID}, a.now())
	if err != nil {
		return adAccountDoc{}, err
	}
	c.Subject(v.ID, v.Name)
	return accountDoc(v), nil
}

func (a *API) deleteAccount(ctx context.Context, c *rest.Call, _ *rest.None) (none rest.None, err error) {
	v, err := a.d.Accounts.AccountIn(ctx, c.Workspace(), c.ID())
	if err != nil {
		return none, err
	}
	c.Subject(v.ID, v.Name)
	return none, a.d.Accounts.DeleteAccount(ctx, c.Workspace(), v.ID, a.now())
}
