package naver

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Customer is one advertiser.
type Customer struct {
	// ID goes into X-Customer.
	ID   int64  `json:"id"`
	Name string `json:"name"`
	// AdAccountNo serves only the account calls.
	AdAccountNo int64 `json:"ad_account_no"`
	// Direct accounts are listed by /ad-accounts, those with a Manager by its
	// children; some by both.
	Direct  bool  `json:"direct"`
	Manager int64 `json:"manager,omitempty"`
	// Quiet accounts never have an impression: their reports end as NONE.
	Quiet bool `json:"quiet"`
}

// The two manager accounts of the key's login; their numbers as X-Customer
// are known, but no advertisers (fact sheet 2.1: reports come back NONE).
var managers = []int64{700001, 700002}

func (s *Server) isManager(id int64) bool { return id == managers[0] || id == managers[1] }

const loginID = "agencylogin"

// makeAccounts: of ten accounts six are direct, five under a manager, one both.
func (s *Server) makeAccounts() []Customer {
	out := make([]Customer, s.o.Accounts)
	for i := range out {
		h := mix(mix(s.o.Seed, 0x63757374), uint64(i))
		c := Customer{ID: 1_000_000 + int64(i)*997 + int64(h%900), Name: s.firmName(i), AdAccountNo: 40_000_000 + int64(i)*31 + int64(h>>32%30),
			Direct: i%10 < 6, Quiet: i%20 == 19}
		if i%10 >= 5 {
			c.Manager = managers[i%2]
		}
		out[i] = c
	}
	return out
}

// Customers lists the advertisers that the default key reaches, by id.
func (s *Server) Customers() []Customer {
	return append([]Customer(nil), s.accts...)
}

func (s *Server) accountRoutes(mux *http.ServeMux) {
	s.handle(mux, "GET /ad-accounts", s.adAccounts)
	s.handle(mux, "GET /ad-accounts/{no}/members", s.members)
	s.handle(mux, "GET /manager-accounts", s.managerAccounts)
	s.handle(mux, "GET /manager-accounts/{no}/child-ad-accounts", s.children)
	s.handle(mux, "GET /customer-links", s.customerLinks)
}

// reached are the accounts that the calling key may see.
func (c *call) reached(keep func(Customer) bool) []Customer {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	k := c.s.keys[c.license]
	var out []Customer
	for _, a := range c.s.accts {
		if keep(a) && k != nil && k.reaches(a.ID) && !c.s.forbid[a.ID] {
			out = append(out, a)
		}
	}
	return out
}

var rfc = "2006-01-02T15:04:05.000Z"

func stamp(t time.Time) string { return t.UTC().Format(rfc) }

func (s *Server) adAccounts(c *call) {
	var rows []any
	for _, a := range c.reached(func(a Customer) bool { return a.Direct }) {
		reg := stamp(setupFrom.AddDate(0, 0, int(a.ID%300)))
		rows = append(rows, obj{"adAccountNo": a.AdAccountNo, "naverId": loginID, "roleName": "MASTER", "createdAt": reg,
			"lastAccessTime": stamp(c.now), "favorite": false,
			"adAccount": obj{"no": a.AdAccountNo, "name": a.Name, "masterCustomerId": a.ID, "currency": "KRW", "country": "KR",
				"timezone": "Asia/Seoul", "timezoneId": 1, "disabled": false, "deleted": false, "deletedAt": nil, "penalty": false,
				"createdAt": reg, "updatedAt": reg}})
	}
	c.page(rows)
}

func (s *Server) members(c *call) {
	for _, a := range c.reached(func(Customer) bool { return true }) {
		if strconv.FormatInt(a.AdAccountNo, 10) == c.r.PathValue("no") {
			c.json(200, []obj{{"adAccountNo": a.AdAccountNo, "naverId": loginID, "roleName": "MASTER", "createdAt": stamp(setupFrom)},
				{"adAccountNo": a.AdAccountNo, "naverId": fmt.Sprintf("owner%d", a.ID), "roleName": "OWNER", "createdAt": stamp(setupFrom)}})
			return
		}
	}
	c.forbidden()
}

func (s *Server) managerAccounts(c *call) {
	var rows []any
	for i, no := range managers {
		n := len(c.reached(func(a Customer) bool { return a.Manager == no }))
		rows = append(rows, obj{"managerAccountNo": no, "roleName": "MASTER", "naverId": loginID,
			"managerAccount": obj{"no": no, "name": fmt.Sprintf("대행사 %d팀", i+1), "childAdAccountCount": n, "disabled": false, "deleted": false,
				"createdAt": stamp(setupFrom), "updatedAt": stamp(setupFrom)}})
	}
	c.page(rows)
}

func (s *Server) children(c *call) {
	no, _ := strconv.ParseInt(c.r.PathValue("no"), 10, 64)
	if !s.isManager(no) {
		c.forbidden()
		return
	}
	var rows []any
	for _, a := range c.reached(func(a Customer) bool { return a.Manager == no }) {
		rows = append(rows, obj{"adAccountNo": a.AdAccountNo, "adAccountName": a.Name, "customerId": a.ID, "accountRole": "MASTER",
			"ownerNaverId": fmt.Sprintf("owner%d", a.ID)})
	}
	c.page(rows)
}

// customerLinks is the old list, frozen on 2025-09-01: it lacks each tenth account.
func (s *Server) customerLinks(c *call) {
	if c.customer != s.o.OwnerCustomer {
		c.forbidden()
		return
	}
	rows := []any{}
	switch c.r.URL.Query().Get("type") {
	case "MYCLIENTS":
		for _, a := range c.reached(func(a Customer) bool { return a.AdAccountNo%10 != 9 }) {
			rows = append(rows, obj{"customerLinkId": a.ID * 10, "managerCustomerId": s.o.OwnerCustomer, "managerLoginId": loginID,
				"managerCompanyName": "데모 대행사", "managerEnable": true, "roleId": 2, "clientCustomerId": a.ID,
				"clientLoginId": fmt.Sprintf("owner%d", a.ID), "linkStatus": "ACTIVE", "regTm": stamp(setupFrom)})
		}
	case "MYMANAGERS":
	default:
		c.ncc(400, 1002, "Invalid request.")
		return
	}
	c.json(200, rows)
}

// maxPage is the largest size of the paged account lists.
const maxPage = 1000

// page answers rows in Spring's envelope by ?page (from 0) and ?size.
func (c *call) page(rows []any) {
	q := c.r.URL.Query()
	size, number := 20, 0
	var err1, err2 error
	if q.Has("size") {
		size, err1 = strconv.Atoi(q.Get("size"))
	}
	if q.Has("page") {
		number, err2 = strconv.Atoi(q.Get("page"))
	}
	if err1 != nil || err2 != nil || size < 1 || size > maxPage || number < 0 {
		c.ncc(400, 1002, "Invalid request.")
		return
	}
	total := len(rows)
	pages := (total + size - 1) / size
	from := min(number*size, total)
	part := append([]any{}, rows[from:min(from+size, total)]...)
	sort := obj{"sorted": false, "unsorted": true, "empty": true}
	c.json(200, obj{"content": part, "number": number, "size": size, "totalElements": total, "totalPages": pages,
		"numberOfElements": len(part), "first": number == 0, "last": number >= pages-1, "empty": len(part) == 0, "sort": sort,
		"pageable": obj{"pageNumber": number, "pageSize": size, "offset": number * size, "paged": true, "unpaged": false, "sort": sort}})
}
