package ui

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"imreport/internal/account"
	"imreport/internal/errs"
	"imreport/internal/i18n"
	"imreport/internal/quota"
	"imreport/internal/web"
	"imreport/internal/web/api"
	"imreport/internal/web/page"
	"imreport/internal/workspace"
)

func (u *UI) mountKeys() {
	read, write := may(workspace.ReadAccounts), workspace.WriteKeys
	u.site.Page("GET /api-keys", read, u.keyList)
	u.site.Page("GET /api-keys/new", may(write), u.newKey)
	u.site.Page("POST /api-keys", does(write, "api_key.create"), u.createKey)
	u.site.Page("GET /api-keys/{id}", read, u.keyPage)
	u.site.Page("POST /api-keys/{id}", does(write, "api_key.change"), u.changeKey)
	u.site.Page("POST /api-keys/{id}/sync", does(write, "api_key.sync"), u.syncKey)
	u.site.Page("POST /api-keys/{id}/delete", does(write, "api_key.delete"), u.deleteKey)
	u.site.Page("POST /ad-accounts", does(workspace.WriteAccounts, "ad_account.create"), u.addAccount)
	u.site.Page("POST /ad-accounts/{id}/delete", does(workspace.WriteAccounts, "ad_account.delete"), u.deleteAccount)
}

// keyForm is the form of a key. A secret that was typed does not come back.
type keyForm struct {
	Name, License, Owner, HeadRoom string
	Wrong                          mistakes
}

type keyListPage struct {
	Keys     []account.Key
	CanWrite bool
}

func (u *UI) keyList(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	keys, err := u.d.Accounts.Keys(r.Context(), info.Actor.WorkspaceID, "", listRead)
	if err != nil {
		return err
	}
	return u.pages.Render(w, r, http.StatusOK, "keys", page.Page{
		Title: i18n.T(info.Lang, "ui.nav.keys"), Section: "keys", Data: keyListPage{keys, info.Actor.May(workspace.WriteKeys)},
	})
}

func (u *UI) newKey(w http.ResponseWriter, r *http.Request) error {
	return u.showKeyForm(w, r, http.StatusOK, keyForm{HeadRoom: "0"})
}

func (u *UI) showKeyForm(w http.ResponseWriter, r *http.Request, status int, f keyForm) error {
	w.Header().Set("Cache-Control", "no-store")
	return u.pages.Render(w, r, status, "key_new", page.Page{
		Title: i18n.T(web.Of(r.Context()).Lang, "ui.key.new"), Section: "keys", Data: f,
	})
}

func (u *UI) createKey(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	f := keyForm{Name: r.PostFormValue("name"), License: r.PostFormValue("license"), Owner: r.PostFormValue("owner_customer_id"),
		HeadRoom: r.PostFormValue("head_room_percent")}
	percent, err := strconv.Atoi(orElse(f.HeadRoom, "0"))
	if err != nil {
		percent = -1 // package account says what is allowed
	}
	k, err := u.d.Accounts.AddKey(r.Context(), info.Actor.WorkspaceID, account.NewKey{
		Name: f.Name, License: f.License, Secret: r.PostFormValue("secret"), OwnerCustomer: f.Owner, HeadRoom: percent,
	}, u.site.Now())
	if err != nil {
		m, ok := mistakesOf(info.Lang, err)
		if !ok {
			return err
		}
		f.Wrong = m
		return u.showKeyForm(w, r, http.StatusUnprocessableEntity, f)
	}
	web.Subject(r.Context(), k.ID, k.Name)
	return u.sync(w, r, k.ID)
}

// keyDetail is the page of one key.
type keyDetail struct {
	account.Key
	Why       string // why the platform refuses it
	Accounts  []account.Account
	Usage     []usageRow
	Queue     map[string]int
	Own       int          // of those that wait, this workspace's
	Ends      *quota.Range // when all that is known now is expected to end
	PerClient bool         // limits of customers set the pace, no common one
	Spared    api.Spared
	CanWrite  bool
	CanAdd    bool
	Form      keyForm // of changing it
	New       struct{ CustomerID, Name string }
	NewWrong  mistakes
	Hanging   int // ad accounts that are deleted with it
	SyncWrong string
}

// usageRow is one scope as the page shows it.
type usageRow struct {
	quota.ScopeUsage
	Name string
}

func (u *UI) keyPage(w http.ResponseWriter, r *http.Request) error {
	d, err := u.keyDetail(r)
	if err != nil {
		return err
	}
	return u.showKey(w, r, http.StatusOK, d)
}

func (u *UI) showKey(w http.ResponseWriter, r *http.Request, status int, d keyDetail) error {
	return u.pages.Render(w, r, status, "key", page.Page{Title: d.Name, Section: "keys", Open: true, Data: d})
}

func (u *UI) keyDetail(r *http.Request) (d keyDetail, err error) {
	info := web.Of(r.Context())
	ws := info.Actor.WorkspaceID
	if d.Key, err = u.d.Accounts.Key(r.Context(), ws, r.PathValue("id")); err != nil {
		return d, err
	}
	if !d.Valid {
		d.Why = i18n.T(info.Lang, "account.reason."+string(d.Reason))
	}
	d.CanWrite, d.CanAdd = info.Actor.May(workspace.WriteKeys), info.Actor.May(workspace.WriteAccounts)
	d.Form = keyForm{Name: d.Name, Owner: d.OwnerCustomer, HeadRoom: strconv.Itoa(d.HeadRoom)}
	if d.Accounts, err = u.accountsOf(r.Context(), ws, d.ID); err != nil {
		return d, err
	}
	d.Hanging = len(d.Accounts)
	usage, err := u.d.Usage(r.Context(), d.Key)
	if err != nil {
		return d, err
	}
	d.Queue, d.Ends = usage.Queue, usage.ExpectedEnd
	for _, t := range usage.Tenants {
		if t.Tenant == ws {
			for _, n := range t.Queue {
				d.Own += n
			}
		}
	}
	if u.d.Spared != nil {
		if d.Spared, err = u.d.Spared(r.Context(), ws, d.ID); err != nil {
			return d, err
		}
	}
	common := false
	for _, s := range usage.Scopes {
		// Customers may be other workspaces': the page shows what is common.
		if s.Kind == quota.IP || s.Kind == quota.Licence {
			d.Usage = append(d.Usage, usageRow{s, i18n.T(info.Lang, "ui.scope."+s.Kind)})
			common = common || s.Binding
		} else {
			d.PerClient = d.PerClient || s.Binding
		}
	}
	d.PerClient = d.PerClient && !common
	return d, nil
}

func (u *UI) accountsOf(ctx context.Context, workspaceID, keyID string) (all []account.Account, err error) {
	cursor := ""
	for len(all) < accountsMax {
		some, err := u.d.Accounts.Accounts(ctx, workspaceID, keyID, cursor, listRead)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if len(some) < listRead {
			break
		}
		cursor = some[len(some)-1].ID
	}
	slices.SortFunc(all, func(a, b account.Account) int { return compare(a.Name, b.Name) })
	return all, nil
}

func (u *UI) changeKey(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	id := r.PathValue("id")
	name, owner := r.PostFormValue("name"), r.PostFormValue("owner_customer_id")
	percent, err := strconv.Atoi(orElse(r.PostFormValue("head_room_percent"), "0"))
	if err != nil {
		percent = -1
	}
	change := account.KeyChange{Name: &name, OwnerCustomer: &owner, HeadRoom: &percent}
	if v := r.PostFormValue("license"); v != "" {
		change.License = &v
	}
	if v := r.PostFormValue("secret"); v != "" {
		change.Secret = &v
	}
	k, err := u.d.Accounts.UpdateKey(r.Context(), info.Actor.WorkspaceID, id, change, u.site.Now())
	if err == nil {
		web.Subject(r.Context(), k.ID, k.Name)
		return to(w, r, "/api-keys/"+id, "key_changed")
	}
	m, ok := mistakesOf(info.Lang, err)
	if !ok {
		return err
	}
	d, err := u.keyDetail(r)
	if err != nil {
		return err
	}
	d.Form = keyForm{name, r.PostFormValue("license"), owner, r.PostFormValue("head_room_percent"), m}
	return u.showKey(w, r, http.StatusUnprocessableEntity, d)
}

func (u *UI) syncKey(w http.ResponseWriter, r *http.Request) error {
	web.Subject(r.Context(), r.PathValue("id"), "")
	return u.sync(w, r, r.PathValue("id"))
}

// sync asks the platform for the accounts of a key. A refusal is shown on the
// key's page: the key is kept, so that it can be put right there.
func (u *UI) sync(w http.ResponseWriter, r *http.Request, id string) error {
	info := web.Of(r.Context())
	_, err := u.d.Accounts.Sync(r.Context(), info.Actor.WorkspaceID, id, u.site.Now())
	if err == nil {
		return to(w, r, "/api-keys/"+id, "synced")
	}
	e := errs.As(err)
	if e == nil || e.Kind == errs.NotFound {
		return err
	}
	r.SetPathValue("id", id)
	d, derr := u.keyDetail(r)
	if derr != nil {
		return derr
	}
	p := web.ProblemOf(err, info.Lang, info.ID)
	d.SyncWrong = p.Title + ". " + p.Detail + " " + p.Action
	return u.showKey(w, r, http.StatusUnprocessableEntity, d)
}

func (u *UI) deleteKey(w http.ResponseWriter, r *http.Request) error {
	ws, id := web.Of(r.Context()).Actor.WorkspaceID, r.PathValue("id")
	k, err := u.d.Accounts.Key(r.Context(), ws, id)
	if err != nil {
		return err
	}
	if err := u.d.Accounts.DeleteKey(r.Context(), ws, id, r.PostFormValue("with_accounts") != "", u.site.Now()); err != nil {
		return err
	}
	web.Subject(r.Context(), id, k.Name)
	return to(w, r, "/api-keys", "deleted")
}

func (u *UI) addAccount(w http.ResponseWriter, r *http.Request) error {
	info := web.Of(r.Context())
	in := account.NewAccount{APIKeyID: r.PostFormValue("api_key_id"), CustomerID: r.PostFormValue("customer_id"), Name: r.PostFormValue("name")}
	acc, _, err := u.d.Accounts.AddAccount(r.Context(), info.Actor.WorkspaceID, in, u.site.Now())
	if err == nil {
		web.Subject(r.Context(), acc.ID, acc.Name)
		access, _, err := u.d.Accounts.Reach(r.Context(), acc, u.site.Now())
		if err != nil {
			u.site.Log().WarnContext(r.Context(), "whether a key reaches an ad account was not checked", "account", acc.ID, "error", err)
		}
		return to(w, r, "/api-keys/"+acc.APIKeyID, accessFlash[access])
	}
	m, ok := mistakesOf(info.Lang, err)
	if !ok || in.APIKeyID == "" {
		return err
	}
	r.SetPathValue("id", in.APIKeyID)
	d, derr := u.keyDetail(r)
	if derr != nil {
		return derr
	}
	d.New.CustomerID, d.New.Name, d.NewWrong = in.CustomerID, in.Name, m
	return u.showKey(w, r, http.StatusUnprocessableEntity, d)
}

// accessFlash says after an ad account was added whether its key reaches it.
var accessFlash = map[account.Access]string{
	account.Reached: "account_added", account.OutOfReach: "warn.account_refused", account.NotChecked: "warn.account_not_checked",
}

func (u *UI) deleteAccount(w http.ResponseWriter, r *http.Request) error {
	ws, id := web.Of(r.Context()).Actor.WorkspaceID, r.PathValue("id")
	acc, err := u.d.Accounts.AccountIn(r.Context(), ws, id)
	if err != nil {
		return err
	}
	if err := u.d.Accounts.DeleteAccount(r.Context(), ws, id, u.site.Now()); err != nil {
		return err
	}
	web.Subject(r.Context(), id, acc.Name)
	return to(w, r, "/api-keys/"+acc.APIKeyID, "deleted")
}
