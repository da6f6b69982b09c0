package naver

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"imreport/internal/account"
	"imreport/internal/quota"
)

const (
	pageSize = 1000 // of account lists, the most that Naver gives
	pageMax  = 1000 // pages of one list: a list that never ends is broken
)

// page is how Naver's newer lists come.
type page[T any] struct {
	Content []T     `json:"content"`
	Last    *bool   `json:"last"`
	Total   *number `json:"totalPages"`
}

type adAccount struct {
	Role    text `json:"roleName"`
	Account struct {
		Name     text   `json:"name"`
		Customer number `json:"masterCustomerId"`
		Disabled flag   `json:"disabled"`
		Deleted  flag   `json:"deleted"`
	} `json:"adAccount"`
}

type managerAccount struct {
	No      number `json:"managerAccountNo"`
	Account struct {
		No      number `json:"no"`
		Deleted flag   `json:"deleted"`
	} `json:"managerAccount"`
}

type childAccount struct {
	Name     text   `json:"adAccountName"`
	Customer number `json:"customerId"`
	Role     text   `json:"accountRole"`
}

// link is what the old call tells, which Naver has announced to end and still
// answers (2026-09).
type link struct {
	Customer number `json:"clientCustomerId"`
	Company  text   `json:"clientCompanyName"`
	Login    text   `json:"clientLoginId"`
	Manager  number `json:"managerCustomerId"`
	Role     text   `json:"roleId"`
}

// Discover finds the ad accounts that a key can see: its own, those of the
// manager accounts it belongs to, and, when the owner's customer id is known
// and the newer calls say nothing, those of the old links. A key that is
// refused as a whole comes back as *account.Refused.
func (s *Source) Discover(ctx context.Context, c account.Credential) ([]account.Found, error) {
	flow := s.o.Gate.Flow(quota.FlowOptions{ID: "discover " + c.ID, Tenant: c.WorkspaceID, Class: quota.Interactive})
	defer flow.Close()
	return s.DiscoverIn(ctx, c, flow)
}

// DiscoverIn is Discover in the turn of a flow.
func (s *Source) DiscoverIn(ctx context.Context, c account.Credential, flow *quota.Flow) ([]account.Found, error) {
	s.client.secrets.again(c)
	w := who{cred: c, flow: flow, customer: c.OwnerCustomer}
	f := found{seen: map[string]int{}}
	newer := s.discover(ctx, w, &f)
	if newer != nil && is(newer, licenceUnknown, secretWrong, clockWrong, closed) {
		return nil, refused(c, newer)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if (newer != nil || len(f.all) == 0) && c.OwnerCustomer != "" {
		links, err := list[link](ctx, s.client, w, call{
			op: "customer-links", method: http.MethodGet, path: "/customer-links", query: url.Values{"type": {"MYCLIENTS"}},
		})
		if err == nil {
			for _, l := range links {
				f.add(l.Customer, first(l.Company, l.Login), l.Role)
			}
			f.add(asNumber(c.OwnerCustomer), "", "OWNER")
			return f.all, nil
		}
		if newer == nil {
			s.o.Log.InfoContext(ctx, "the old account list does not answer", "key", c.ID, "error", err)
		}
	}
	if newer != nil {
		return nil, refused(c, newer)
	}
	return f.all, nil
}

// discover asks the two newer lists.
func (s *Source) discover(ctx context.Context, w who, f *found) error {
	own, err := paged[adAccount](ctx, s.client, w, "ad-accounts", "/ad-accounts")
	if err != nil {
		return err
	}
	for _, a := range own {
		if !a.Account.Deleted && !a.Account.Disabled {
			f.add(a.Account.Customer, a.Account.Name, a.Role)
		}
	}
	managers, err := paged[managerAccount](ctx, s.client, w, "manager-accounts", "/manager-accounts")
	if is(err, notOwner, forbidden, gone) {
		return nil // a key without manager accounts
	}
	if err != nil {
		return err
	}
	for _, m := range managers {
		no := m.No
		if no == 0 {
			no = m.Account.No
		}
		if no == 0 || bool(m.Account.Deleted) {
			continue
		}
		children, err := paged[childAccount](ctx, s.client, w, "manager-accounts.children",
			"/manager-accounts/"+strconv.FormatInt(int64(no), 10)+"/child-ad-accounts")
		if is(err, notOwner, forbidden, gone) {
			s.o.Log.InfoContext(ctx, "a manager account may not be read", "manager", no, "key", w.cred.ID, "error", err)
			continue
		}
		if err != nil {
			return err
		}
		for _, a := range children {
			f.add(a.Customer, a.Name, a.Role)
		}
	}
	return nil
}

// paged reads a whole list, page by page.
func paged[T any](ctx context.Context, cl *client, w who, op, path string) (all []T, err error) {
	for n := range pageMax {
		var p page[T]
		err := one(ctx, cl, w, call{
			op: op, scope: scopeKey, method: http.MethodGet, path: path,
			query: url.Values{"page": {strconv.Itoa(n)}, "size": {strconv.Itoa(pageSize)}},
		}, &p)
		if err != nil {
			return nil, err
		}
		all = append(all, p.Content...)
		if len(p.Content) == 0 || p.Last != nil && *p.Last || p.Total != nil && n+1 >= int(*p.Total) ||
			p.Last == nil && p.Total == nil && len(p.Content) < pageSize {
			break
		}
	}
	return all, nil
}

// found gathers accounts, each once, with the strongest role that was seen.
type found struct {
	all  []account.Found
	seen map[string]int
}

var roles = map[string]int{"READ_ONLY": 1, "MASTER": 2, "OWNER": 3}

func (f *found) add(customer number, name, role text) {
	if customer <= 0 {
		return
	}
	id := strconv.FormatInt(int64(customer), 10)
	i, ok := f.seen[id]
	if !ok {
		f.seen[id] = len(f.all)
		f.all = append(f.all, account.Found{CustomerID: id, Name: string(name), Role: string(role)})
		return
	}
	a := &f.all[i]
	if a.Name == "" {
		a.Name = string(name)
	}
	if roles[string(role)] > roles[a.Role] {
		a.Role = string(role)
	}
}

// Check asks Naver whether a key is good, with one request. A key that is
// refused comes back as *account.Refused.
func (s *Source) Check(ctx context.Context, c account.Credential) error {
	s.client.secrets.again(c)
	var p page[adAccount]
	err := one(ctx, s.client, who{cred: c, customer: c.OwnerCustomer}, call{
		op: "ad-accounts", scope: scopeKey, method: http.MethodGet, path: "/ad-accounts", query: url.Values{"page": {"0"}, "size": {"1"}},
	}, &p)
	return refused(c, err)
}

// Prove asks Naver whether a key reaches a customer, with one request.
// "naver.forbidden" in the error's chain says that it does not, *account.Refused
// that the key is dead.
func (s *Source) Prove(ctx context.Context, c account.Credential, customer string) error {
	return refused(c, s.prove(ctx, who{cred: c, customer: customer}))
}

func (s *Source) prove(ctx context.Context, w who) error {
	_, err := list[campaign](ctx, s.client, w, call{
		op: "ncc.campaigns", method: http.MethodGet, path: "/ncc/campaigns", query: url.Values{"recordSize": {"1"}},
	})
	return err
}

func first(all ...text) text {
	for _, t := range all {
		if t != "" {
			return t
		}
	}
	return ""
}

func asNumber(s string) number {
	n, _ := strconv.ParseInt(s, 10, 64)
	return number(n)
}
